"""What the formulas say of the parts of the network that are measured, written down before they are."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.evaluation.estimate import Estimate, beside_operators
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.calibration_file import ComponentEntry, ComponentsFile, calibration_file
from dsocr_symbolic.language.lookup import default_definition, layer_definition
from dsocr_symbolic.language.time_formula import LIMITS
from dsocr_symbolic.network.rows import Row
from dsocr_symbolic.scenario.scenario import make_scenario, switches

SCHEMA = "dsocr predicted 1"
MODES = ("eager", "graph", "backward")


@frozen(kw_only=True)
class PredictedPart:
    """A part of the network at some sizes, launched by the host or replayed, or its backward."""

    component: str
    mode: str
    settings: Mapping[str, int]
    choices: Mapping[str, str]


FILES: Mapping[str, str] = {"checkpoint": "components", "served": "served"}
"""Which file of formulas/calibration/ has the parts of the network, by who runs it."""


def load_components(execution: str = "checkpoint") -> Mapping[str, ComponentEntry]:
    """Read the parts of the network as its own code runs them, or as a server does."""
    file: ComponentsFile = calibration_file(ComponentsFile, FILES[execution])
    return file.components


def known_components() -> Mapping[str, ComponentEntry]:
    """Read the parts of every file."""
    return {name: entry for execution in FILES for name, entry in load_components(execution).items()}


def parts(components: Mapping[str, ComponentEntry]) -> Iterator[PredictedPart]:
    """Yield every part that is measured."""
    for name, entry in components.items():
        chosen = [dict(zip(entry.choices, options, strict=True)) for options in product(*entry.choices.values())]
        for mode in MODES:
            for settings in getattr(entry, mode):
                for choices in chosen if mode == "eager" else chosen[:1]:
                    yield PredictedPart(component=name, mode=mode, settings=settings, choices=choices)


def predict(part: PredictedPart, machine: str) -> dict[str, Any]:
    """Return what the formulas give for a part, by operator too."""
    entry = known_components()[part.component]
    results = [_answer(each.layer, each.given, part, machine) for each in entry.layers]
    backward = part.mode == "backward"
    metric = "backward_device_s" if backward else "device_s"
    totals = [result.total for result in results]

    def added(name: str) -> Any:
        values = [total[name] for total in totals]
        return None if None in values else sum(values)

    return {
        "component": part.component,
        "mode": part.mode,
        "settings": dict(part.settings),
        "choices": dict(part.choices),
        "device_s": added(metric),
        "wall_s": None if backward else added("wall_s"),
        "lower_bound_s": None if backward else added("lower_bound_s"),
        "kernels": None if backward else added("device_kernels"),
        "operators": _operators(results, metric),
    }


def _answer(layer: str, given: Mapping[str, Any], part: PredictedPart, machine: str) -> Estimate:
    definition = default_definition(None)
    settings = {name: evaluate(value, part.settings, arithmetic) for name, value in given.items()}
    choices = {**part.choices, "train": "all", "host": "graph" if part.mode == "graph" else "eager"}
    if part.mode == "graph":
        choices["experts"] = "grouped"
    scenario = make_scenario(
        definition=definition,
        layer=layer,
        settings=settings,
        choices=choices,
        gpu=machine,
        waived=switches(layer_definition(definition, layer)),
    )
    return answer(scenario)


def _operators(results: Iterable[Estimate], metric: str) -> list[dict[str, Any]]:
    """Return the seconds of each operator of each class of modules, and what limits it."""
    added: dict[tuple[str, str], dict[str, float]] = {}
    for result in results:
        for node in (*(node for node in result.nodes if node.row.aten), *beside_operators(result)):
            if not node.metrics[metric]:
                continue
            sums = added.setdefault((_class_of(result, node.row), node.row.aten or node.row.layer), {})
            for name, each in {"seconds": metric, **{limit: f"device_{limit}_s" for limit in LIMITS}}.items():
                sums[name] = sums.get(name, 0.0) + float(node.metrics[each] or 0)
    return [
        {
            "module": module,
            "operator": operator,
            "seconds": sums["seconds"],
            "limit": max(LIMITS, key=lambda limit, sums=sums: sums[limit]),  # type: ignore[misc]
        }
        for (module, operator), sums in sorted(added.items(), key=lambda item: -item[1]["seconds"])
    ]


def _class_of(result: Estimate, row: Row) -> str:
    """Return the class of the innermost module of the network's own that holds an operator."""
    while not row.class_name or row.class_name.startswith("torch."):
        if row.parent <= 0:
            return ""
        row = result.nodes[row.parent - 1].row
    return row.class_name.rpartition(".")[2]
