"""What else a name could be: other names of the same kind."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.scenario.hardware import load_gpus
from dsocr_symbolic.verification.mutants.keys import Spot

_MOST = 3


def others(site: Spot, name: str, kind: str, raw: Any) -> list[str]:
    """Return a few other names of a site's kind: those behind it in their order, of GPU numbers all of its unit."""
    known = list(dict.fromkeys(_KNOWN[site.way](site, name, kind, raw)))
    start = known.index(name) + 1 if name in known else 0
    around = [other for other in [*known[start:], *known[:start]] if other != name]
    return around if site.way == "gpu number" else around[:_MOST]


def _tensors(_: Spot, __: str, kind: str, raw: Any) -> list[str]:
    known = list(raw.get("tensors", {}))
    if kind != "operator":
        for call in raw["children"].values():
            for key in ("reads", "writes"):
                known += _flat(call.get(key, []))
    return known


def _flat(raw: Any) -> list[str]:
    return [raw] if isinstance(raw, str) else [name for part in raw for name in _flat(part)]


def _callees(_: Spot, name: str, __: str, ___: Any) -> list[str]:
    """Return the formulas that take the same symbols; any other ones do not fit."""
    formulas = load_library().formulas
    if name not in formulas:
        return list(formulas)
    fitting = [other for other, formula in formulas.items() if set(formula.symbols) == set(formulas[name].symbols)]
    return fitting if len(fitting) > 1 else list(formulas)


def _modules(_: Spot, __: str, ___: str, raw: Any) -> list[str]:
    return [call["module"] for call in raw["children"].values() if "module" in call]


def _bundled(_: Spot, name: str, __: str, raw: Any) -> list[str]:
    """Return the options of every choice that has one of a name."""
    labels = [list(choice["options"]) for choice in raw["choices"].values()]
    return [label for options in labels if name in options for label in options]


@cache
def _gpu_numbers() -> Mapping[str, str]:
    return {key: number.unit for gpu in load_gpus() for key, number in gpu.numbers.items()}


def _same_unit(_: Spot, name: str, __: str, ___: Any) -> list[str]:
    return sorted(key for key, unit in _gpu_numbers().items() if unit == _gpu_numbers().get(name))


def _symbols(_: Spot, name: str, __: str, ___: Any) -> list[str]:
    """Return the symbols of the same group."""
    known = default_definition(None).quantities
    return [other for other, quantity in known.items() if quantity.group == known[name].group]


def _metrics(_: Spot, name: str, __: str, ___: Any) -> list[str]:
    """Return the metrics of the same unit."""
    return [other for other, metric in load_metrics().items() if metric.unit == load_metrics()[name].unit]


def _paths(_: Spot, __: str, ___: str, raw: Any) -> list[str]:
    terms = [term for bound in raw.get("bounds", {}).values() for term in bound["terms"].values()]
    known = [path for term in terms for path in _flat(term["of"])]
    return known or [*raw["children"], *_flat(raw["phases"])]


_KNOWN: Mapping[str, Callable[[Spot, str, str, Any], list[str]]] = {
    "tensor": _tensors,
    "callee": _callees,
    "module": _modules,
    "weight": lambda _, __, ___, raw: [weight for tie in raw["tied"].items() for weight in tie],
    "aten": lambda *_: sorted({getattr(formula, "aten", "") for formula in load_library().formulas.values()} - {""}),
    "switch": lambda *_: ["another_switch"],
    "chosen": lambda site, _, __, raw: list(raw["choices"][site.place[1]]["options"]),
    "bundled": _bundled,
    "gpu number": _same_unit,
    "config key": lambda _, __, ___, raw: [known["config"] for known in raw["constants"].values() if "config" in known],
    "workload": lambda _, __, ___, raw: list(raw["workloads"]),
    "gpu": lambda *_: list(data_files("hardware")),
    "path": _paths,
    "symbol": _symbols,
    "latency": lambda *_: sorted(default_definition(None).latencies),
    "metric": _metrics,
    "taken": lambda _, __, ___, raw: [metric["takes"] for metric in raw.values() if "takes" in metric],
}
