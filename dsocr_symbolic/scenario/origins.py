"""Where the value of each symbol is from, decided once: everybody else reads it."""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.scenario.hardware import Gpu

Kind = Literal[
    "user", "workload", "config", "choice", "machine", "formula", "definition", "default", "input", "what_if"
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
        Of a choice ``CHOICE OPTION``, of a machine the key of its number.
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
    definition: Definition, options: Mapping[str, str], settings: Mapping[str, Exact], gpu: Gpu
) -> dict[str, Origin]:
    """Decide where the value of each symbol is from; of settings that are not :func:`layered` all are the user's."""
    bound: dict[str, Origin] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for name, chosen in options.items():
        option = definition.choices[name].options[chosen]
        bound |= {
            symbol: Origin(kind="choice", name=f"{name} {chosen}", value=formula)
            for symbol, formula in option.symbols.items()
        }
        keys |= {symbol: (key,) for symbol, key in option.gpu.items()}

    def origin(name: str) -> Origin:
        quantity = definition.quantities[name]
        if name in settings:
            return _set(name, settings)
        if name in bound:
            return bound[name]
        # The first number that the GPU has; the last one if it has none.
        named = keys.get(name, quantity.gpu)
        key = next((key for key in named if key in gpu.numbers), named[-1] if named else "")
        if key in gpu.numbers:
            return Origin(kind="machine", name=key, value=float(gpu.numbers[key].value_si))
        if key and not quantity.optional:
            return Origin(kind="machine", name=key)
        fixed: Kind = "definition" if quantity.fixed else "default"
        return Origin(kind="formula" if names(quantity.formula) else fixed, value=quantity.formula)

    return {name: origin(name) for name in definition.quantities}


def _set(name: str, settings: Mapping[str, Exact]) -> Origin:
    layers = settings.maps if isinstance(settings, ChainMap) else [settings]
    kind, layer = next((kind, layer) for kind, layer in zip(_SETTERS, layers, strict=False) if name in layer)
    return Origin(kind=kind, value=layer[name])


def unverified(sources: Iterable[Origin], gpu: Gpu) -> tuple[str, ...]:
    """Return the machine's numbers in use that no source confirms."""
    keys = (origin.name for origin in sources if origin.kind == "machine")
    return tuple(key for key in keys if key in gpu.numbers and gpu.numbers[key].unverified)
