"""Frozen attrs classes whose printing and comparing are not compiled class by class: a third of what a class costs.

What they do is what attrs would have generated; see :func:`attrs.frozen` for the arguments.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["frozen"]

if TYPE_CHECKING:
    from attrs import frozen
else:
    import attrs

    def frozen(made: type | None = None, *, eq: bool = True, repr: bool = True, **options: Any) -> Any:  # noqa: A002 - as attrs
        """Make a frozen attrs class; methods that it has itself stay."""
        if made is None:
            return lambda cls: frozen(cls, eq=eq, repr=repr, **options)
        own = made.__dict__
        cls = attrs.frozen(made, eq=False, repr=False, **options)
        known = attrs.fields(cls)
        if repr and "__repr__" not in own:
            cls.__repr__ = _printing([each.name for each in known if each.repr])
        if eq:
            same, hashed = _comparing([each.name for each in known if each.eq])
            cls.__eq__ = own.get("__eq__", same)
            cls.__hash__ = own.get("__hash__") or hashed
        return cls


def _printing(names: Sequence[str]) -> Callable[[Any], str]:
    def shown(self: Any) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__.rpartition('>.')[2]}({inside})"

    return shown


def _comparing(names: Sequence[str]) -> tuple[Callable[[Any, object], bool], Callable[[Any], int]]:
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def same(self: Any, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash((self.__class__, values(self)))

    return same, hashed
