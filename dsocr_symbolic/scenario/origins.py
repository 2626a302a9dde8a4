"""Where the value of each symbol is from, decided once: everybody else reads it."""

from collections import ChainMap, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import ONE, Expression, evaluate, names, parse
from dsocr_symbolic.language.registry import Quantity, load_machine, read_machine
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu

Kind = Literal[
    "user", "workload", "config", "choice", "machine", "derived", "formula", "definition", "default", "input", "what_if"
]
_SETTERS: tuple[Kind, ...] = ("user", "workload", "config")


@frozen(kw_only=True)
class Origin:
    """What gives a symbol its value.

    Attributes
    ----------
    kind : str
        Who: the first that speaks of user, workload, config, choice, machine and the model file.
    name : str
        Of a choice ``CHOICE OPTION``, of a machine the key of its number, of a derived one that of the number it
        follows from, of a default the key that the GPU lacks.
    value : number or Expression or None
        The number, or the model file's formula; None where a machine lacks the number.
    """

    kind: Kind
    name: str = ""
    value: Any = None


def layered(
    user: Mapping[str, Exact], workload: Mapping[str, Exact] | None = None, config: Mapping[str, Exact] | None = None
) -> ChainMap[str, Exact]:
    """Lay settings over one another: the user's word is the last."""
    return ChainMap(dict(user), dict(workload or {}), dict(config or {}))


def origins(
    definition: Definition,
    options: Mapping[str, str],
    settings: Mapping[str, Exact],
    gpu: Gpu,
    moved: Collection[str] = (),
) -> dict[str, Origin]:
    """Decide where the value of each symbol is from; of settings that are not :func:`layered` all are the user's.

    ``moved`` are symbols that get a value elsewhere: what follows those that are set follows them, too.
    """
    maps = settings.maps if isinstance(settings, ChainMap) else [settings]
    said: dict[str, Origin] = {}
    for kind, layer in reversed(list(zip(_SETTERS, maps, strict=False))):
        said |= {name: Origin(kind=kind, value=value) for name, value in layer.items()}
    unset = _Unset.of(definition, options, gpu)
    found = dict(unset.origins)
    for name in unset.following:
        quantity = definition.quantities[name]
        if quantity.in_bounds_for in said:
            # What stands for a symbol in bounds is what somebody says of that symbol.
            found[name] = said[quantity.in_bounds_for]
        elif quantity.moves_with and (quantity.moves_with in said or quantity.moves_with in moved):
            found[name] = Origin(kind="formula", value=parse(quantity.moves_with, name))
    return found | {name: origin for name, origin in said.items() if name in found}


@frozen(kw_only=True, eq=False)
class _Unset:
    """Where the value of each symbol is from while nobody sets any, and which may follow those that are set."""

    definition: Definition
    options: Mapping[str, str]
    gpu: Gpu
    origins: Mapping[str, Origin]
    following: Sequence[str]

    @classmethod
    def of(cls, definition: Definition, options: Mapping[str, str], gpu: Gpu) -> "_Unset":
        """Return it, worked out once for the very same network and GPU: many points of one question ask for it."""
        for known in _RECENT:
            if known.definition is definition and known.gpu is gpu and known.options == options:
                return known
        made = cls(
            definition=definition,
            options=dict(options),
            gpu=gpu,
            origins=_unset(definition, options, gpu),
            following=[
                name for name, known in definition.quantities.items() if known.in_bounds_for or known.moves_with
            ],
        )
        _RECENT.appendleft(made)
        return made


_RECENT: deque[_Unset] = deque(maxlen=16)


def _unset(definition: Definition, options: Mapping[str, str], gpu: Gpu) -> dict[str, Origin]:
    """Decide where the value of each symbol is from that nobody sets."""
    bound: dict[str, Origin] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for name, chosen in options.items():
        option = definition.choices[name].options[chosen]
        bound |= {
            symbol: Origin(kind="choice", name=f"{name} {chosen}", value=formula)
            for symbol, formula in option.symbols.items()
        }
        keys |= option.gpu

    @cache
    def reference() -> Gpu:
        return load_gpu(read_machine().reference)

    def origin(name: str) -> Origin:
        quantity = definition.quantities[name]
        if name in bound:
            return bound[name]
        named = keys.get(name, quantity.gpu)
        if quantity.extreme:
            return _extreme(quantity, named, gpu)
        # The first number that the GPU has; the last one if it has none.
        key = next((key for key in named if key in gpu.numbers), named[-1] if named else "")
        if key in gpu.numbers:
            return Origin(kind="machine", name=key, value=float(gpu.numbers[key].value_si))
        if key and quantity.scales is not None:
            return derived(key, quantity.scales, gpu, reference())
        if key and not quantity.optional:
            return Origin(kind="machine", name=key)
        fixed: Kind = "definition" if quantity.fixed else "default"
        return Origin(kind="formula" if names(quantity.formula) else fixed, value=quantity.formula)

    return {name: origin(name) for name in definition.quantities}


def _extreme(quantity: Quantity, named: Sequence[str], gpu: Gpu) -> Origin:
    """Take the largest or smallest that any source says; what a GPU lacks is named, and 1 stands in for it."""
    lacking = [key for key in named if key not in gpu.numbers]
    if lacking and quantity.optional:
        return Origin(kind="default", value=quantity.formula)
    if lacking:
        return Origin(kind="default", name=lacking[0], value=ONE)
    said = [(value, key) for key in named for value in gpu.numbers[key].said_si]
    value, key = (max if quantity.extreme == "largest" else min)(said)
    return Origin(kind="machine", name=key, value=float(value))


def derived(key: str, scales: Expression, gpu: Gpu, reference: Gpu) -> Origin:
    """Take a number that was not measured on a GPU from the one it was measured on, as a formula of both says."""
    known = [{name: first_number(load_machine()[name], each) for name in names(scales)} for each in (gpu, reference)]
    if key not in reference.numbers or any(each[name] is None for each in known for name in names(scales)):
        return Origin(kind="default", name=key, value=ONE)
    ratio, other = (float(evaluate(scales, each, arithmetic)) for each in known)
    return Origin(kind="derived", name=key, value=float(reference.numbers[key].value_si) * ratio / other)


def first_number(quantity: Quantity, gpu: Gpu) -> Exact | None:
    """Return what a GPU's file says of a symbol, the first number that it has."""
    return next((gpu.numbers[key].value_si for key in quantity.gpu if key in gpu.numbers), None)


def lacking(formula: Expression, sources: Mapping[str, Origin]) -> tuple[str, ...]:
    """Return the GPU's numbers without which a formula claims nothing, in the order of its symbols."""
    used = sorted(names(formula) & sources.keys())
    return tuple(dict.fromkeys(key for name in used for key in lacks(sources[name], sources)))


def lacks(origin: Origin, sources: Mapping[str, Origin]) -> tuple[str, ...]:
    """Return the GPU's numbers that a value is without."""
    if origin.kind == "default":
        return (origin.name,) if origin.name else ()
    return lacking(origin.value, sources) if origin.kind == "formula" else ()


def derived_from(sources: Iterable[Origin]) -> str | None:
    """Return the GPU whose measurements some numbers follow from; None where none does."""
    return read_machine().reference if any(origin.kind == "derived" for origin in sources) else None


def unverified(sources: Iterable[Origin], gpu: Gpu) -> tuple[str, ...]:
    """Return the machine's numbers in use that no source confirms."""
    keys = (origin.name for origin in sources if origin.kind == "machine")
    return tuple(dict.fromkeys(key for key in keys if key in gpu.numbers and gpu.numbers[key].unverified))
