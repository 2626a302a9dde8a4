"""Peak memory that was measured on a GPU, next to what the formulas say: ``reports/measured``."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition, layer_definition
from dsocr_symbolic.scenario.scenario import make_scenario, switches
from dsocr_symbolic.writing.templates import template

LIMIT = 0.1
"""How far a prediction may be off what the tensors asked the GPU's allocator for, as a part of that."""


@frozen(kw_only=True)
class MeasuredMemory:
    """One call that was measured.

    Attributes
    ----------
    name : str
        The layer, or ``prefill`` for vision, projector and language model together.
    settings : mapping of str to int
        The formulas' symbols.
    choices : mapping of str to str
        Options of the model's choices.
    peak_bytes : int
        What ``torch.cuda.max_memory_allocated`` rose to above the weights: inputs, activations, KV cache.
    requested_bytes : int
        The same before the allocator rounds to its blocks: what tensors asked for.
    reserved_bytes : int
        What the allocator had taken from the driver by then.
    predicted_bytes : int or float
        The formulas' peak of the same.
    """

    name: str
    settings: Mapping[str, int]
    choices: Mapping[str, str]
    peak_bytes: int
    requested_bytes: int
    reserved_bytes: int
    predicted_bytes: Exact

    @property
    def ratio(self) -> float:
        """Prediction over what the allocator counts in its blocks."""
        return float(self.predicted_bytes / self.peak_bytes)

    @property
    def requested_ratio(self) -> float:
        """Prediction over what tensors asked for."""
        return float(self.predicted_bytes / self.requested_bytes)


def read_measured(path: Path) -> tuple[dict[str, Any], list[MeasuredMemory]]:
    """Read what ``tests/measured/measure_memory.py`` wrote: the GPU and its libraries, and the calls that ran."""
    content = json.loads(path.read_text(encoding="utf-8"))
    definition = default_definition(None)
    cases = [_measured(case, definition) for case in content.pop("cases") if "error" not in case]
    return content, cases


def _measured(case: Mapping[str, Any], definition: Definition) -> MeasuredMemory:
    known = ("name", "settings", "choices", "peak_bytes", "requested_bytes", "reserved_bytes")
    return MeasuredMemory(**{name: case[name] for name in known}, predicted_bytes=_predicted(case, definition))


def _predicted(case: Mapping[str, Any], definition: Definition) -> Exact:
    """Return the peak of a call with its KV cache, weights left out."""
    layer = case["name"].partition(" ")[0]
    # Everything that runs once goes by the name of its last stage.
    once = [call.name for call in definition.stages if not call.repeat.index]
    alone = None if layer == once[-1] else layer
    scenario = make_scenario(
        definition=definition,
        layer=alone,
        settings=case["settings"],
        choices=case["choices"],
        waived=switches(definition if alone is None else layer_definition(definition, alone)),
    )
    predicted = answer(scenario, details=False)
    if layer != once[-1]:
        activations: Exact = predicted.total["forward_activation_bytes"]
        return activations
    peak = max(predicted.stages[name]["peak_memory_bytes"] for name in once)
    beside_weights: Exact = peak - predicted.total["forward_weight_bytes"]
    return beside_weights


def comparable(cases: Iterable[MeasuredMemory]) -> list[MeasuredMemory]:
    """Return the towers, the projector and the whole prefill.

    A decoder layer alone has no cache to put its keys into, and a SAM block alone is part of the tower.
    """
    return [case for case in cases if not case.name.startswith(("decoder/", "vision/block", "vision/notp"))]


def memory_page(path: Path) -> str:
    """Render templates/measured_memory.md.jinja."""
    machine, cases = read_measured(path)
    groups: dict[str, list[MeasuredMemory]] = {}
    for case in comparable(cases):
        groups.setdefault(case.name, []).append(case)
    rendered: str = template("measured_memory.md.jinja").render(
        machine=machine, groups=groups, source=path.name, limit=LIMIT
    )
    return rendered
