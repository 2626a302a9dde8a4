"""Run mutants against counts: a mutant that agrees with all of them survives, and must say why."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import compress
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.formula import Call
from dsocr_symbolic.language.library import Library, load_library
from dsocr_symbolic.language.lookup import default_definition, layer_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import leaves_of
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins
from dsocr_symbolic.scenario.values import Resolver, choose, chosen_slots
from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import formula_file, sampled_cases, uncounted
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS, Counted
from dsocr_symbolic.verification.calls.subjects import SUBJECTS, count_case
from dsocr_symbolic.verification.mutants.mutants import Mutant, mutate
from dsocr_symbolic.verification.proof import count_grid, proof_cells


@frozen(kw_only=True)
class Survivor:
    """A mutant that no count tells from the formula."""

    layer: str
    place: str
    kind: str


@frozen(kw_only=True)
class Killed:
    """Mutants of one formula file, by kind: killed and in all, and those that survive."""

    layer: str
    killed: Mapping[str, int]
    total: Mapping[str, int]
    survivors: tuple[Survivor, ...]


# Pattern of "layer: place" -> the reason.
REASONS: Mapping[str, str] = {
    r".*: cuda_core_flops: elements\*flops -> .*": "integer work costs 0 for any number of elements",
    r".*: child (norm1|norm2|pre_layrnorm), with narrow: 1 -> 2": "a flag: whatever is greater than 0 says the same",
    r"vision/block: child (un)?partition, when: windows > 1 -> windows > 2": "windows are a square, never 2",
    r"vision/image_layout: child weave, when: .* and crop_columns > 1": "two columns of crops are two crops or more",
    r"decoder/decoder_inputs: child scatter, when: image_tokens > 0 -> .*": "the smallest image takes 73 tokens",
    r".*: child (scatter|features|sum|blank_sum), copies: 1 -> 2": "copies count what a module owns; this owns nothing",
    r"vision/projector_views: child crops, copies: 1 -> 2": "one module; the call behind it says so",
    r"vision/vision_towers: child crops, with clip_patch_size: .*": "a stored weight that the next call owns too",
    r"vision/preprocess: child (blank_)?item.*": "not equivalent: reading a value cannot be counted without values",
    r"vision/vision_towers: child crops, with blank_elements: 0 -> 1": "a blank image is summed 0 times in this call",
}


def reason(survivor: Survivor) -> str | None:
    """Say why a mutant is equivalent; None says that a count is missing, or that the formula is wrong."""
    place = f"{survivor.layer}: {survivor.place}"
    return next((text for pattern, text in REASONS.items() if re.fullmatch(pattern, place)), None)


def kill(layer: str, counts: Iterable[Counted]) -> Killed:
    """Try every mutant of a layer's formula on counts that the formula itself agrees with.

    ValueError says that it disagrees with one of them, or that there is none.
    """
    counts = list(counts)
    if not counts:
        raise ValueError(f"{layer}: no count to try mutants on")
    library = load_library()
    for counted in counts:
        # A count that the formula itself misses would kill every mutant and prove nothing.
        if numbers(library, counted) != expected(counted):
            settings = ", ".join(f"{name}={value}" for name, value in counted.settings.items())
            raise ValueError(f"{counted.layer} at {settings}: the unchanged formula disagrees with the count")
    formula = library[layer.rpartition("/")[2]]
    killed, total = Counter[str](), Counter[str]()
    survivors = []
    for mutant in mutate(formula):
        total[mutant.kind] += 1
        if _disagrees(library, mutant, counts):
            killed[mutant.kind] += 1
        else:
            survivors.append(Survivor(layer=layer, place=mutant.place, kind=mutant.kind))
    return Killed(layer=layer, killed=killed, total=total, survivors=tuple(survivors))


def _disagrees(library: Library, mutant: Mutant, counts: list[Counted]) -> bool:
    changed = Library(formulas={**library.formulas, mutant.formula.name: mutant.formula})
    for counted in counts:
        try:
            if numbers(changed, counted) != expected(counted):
                return True
        except (UserError, ZeroDivisionError, KeyError, OverflowError):
            return True
    return False


Numbers = tuple[dict[str, Any], dict[str, tuple[Any, Any]]]


def expected(counted: Counted) -> Numbers:
    """Return what was counted, in the form of :func:`numbers`."""
    return dict(counted.metrics), {name: (size, launches) for name, (size, launches) in counted.by_aten.items()}


def numbers(library: Library, counted: Counted) -> Numbers:
    """Evaluate a formula at a count's settings with plain numbers."""
    stages, slots, given = _prepared(counted.layer, tuple(sorted(counted.choices.items())))
    tree = build_tree(library, stages, {**given, **FUNCTION_COSTS, **counted.settings}, slots, arithmetic)
    fold = Fold(leaves_of(tree, algebra=arithmetic))
    rows, columns = fold.leaves.rows, fold.leaves.columns
    running = [bool(row.aten) and not set(row.path.split("/")) & set(counted.without) for row in rows]

    def added(metric: str) -> Any:
        if load_metrics()[metric].kind == "stock":
            return fold.owned(metric, 0)
        return arithmetic.total(compress(columns[metric], running))

    by_aten: dict[str, tuple[Any, Any]] = {}
    for row, moved, launches in compress(zip(rows, columns[_IO], columns[_LAUNCHES], strict=True), running):
        if launches:
            before = by_aten.get(row.aten, (0, 0))
            by_aten[row.aten] = (before[0] + moved, before[1] + launches)
    return {metric: added(metric) for metric in counted.metrics}, by_aten


_IO, _LAUNCHES = "forward_io_bytes", "operator_launches"


Prepared = tuple[tuple[Call, ...], Mapping[str, str], Mapping[str, Any]]


@cache
def _prepared(layer: str, choices: tuple[tuple[str, str], ...]) -> Prepared:
    """Read what all mutants share: calls, slots, and numbers of all symbols that are not the count's own."""
    definition = default_definition(None)
    options, gpu = choose(definition, dict(choices)), load_gpu(definition.default_gpu)
    resolver = Resolver(definition, origins(definition, options, {}, gpu), gpu)
    groups = ("constant", "choice", "convention")
    given = {name: resolver.value(name) for name, known in definition.quantities.items() if known.group in groups}
    return layer_definition(definition, layer).stages, chosen_slots(definition, options), given


def reduced(counted: Iterable[Counted], most: int) -> Iterator[Counted]:
    """Thin a cell's counts: the corners tell mutants apart as well as the whole grid does."""
    whole = list(counted)
    step = max(1, len(whole) // most)
    for index, count in enumerate(whole):
        if index % step == 0 or index == len(whole) - 1:
            yield count


# Layers that are only called inside others: where their mutants show.
INSIDE: Mapping[str, tuple[str, ...]] = {
    "vision/abs_pos": ("vision/image_encoder_vit", "vision/clip_vision_embeddings"),
    "decoder/experts_loop": ("decoder/deepseek_v2_moe",),
    "decoder/deepseek_v2_decoder_layer": ("decoder/deepseek_v2_model", "decoder/deepseek_v2_model eager"),
    "decoder/decoder_inputs": ("core/deepseek_ocr_model", "decoder/deepseek_v2_model"),
    "decoder/deepseek_v2_model": (
        *("decoder/deepseek_v2_model", "decoder/deepseek_v2_model eager", "core/deepseek_ocr_model"),
    ),
    "vision/preprocess": ("core/deepseek_ocr_model",),
    "vision/image_layout": ("core/deepseek_ocr_model",),
    "vision/projector_views": ("core/deepseek_ocr_model",),
    "vision/vision_towers": ("core/deepseek_ocr_model",),
    "vision/vision_view": ("core/deepseek_ocr_model",),
}


_MOST = 5


def mutated_layers() -> list[str]:
    """List the formula files whose mutants can be counted."""
    called = {formula_file(name) for name in SUBJECTS}
    return sorted((called | set(INSIDE)) - (set(uncounted()) - set(INSIDE)))


def counts_for(layer: str) -> list[Counted]:
    """Count calls that tell a layer's mutants apart: a few points of each of its cells, and its single calls."""
    roots = INSIDE.get(layer, (layer, f"{layer} eager"))
    counted: list[Counted] = []
    for cell in proof_cells():
        # The published sizes are slow and add nothing to the small ones.
        if cell.layer not in roots or "published" in cell.name:
            continue
        for precision in cell.precisions:
            varied = cell.axes if precision == "plain" else cell.autocast or ()
            degrees = {axis: int(axis in varied) for axis in cell.axes}
            counted += reduced(count_grid(cell, precision, degrees), _MOST)
    for case in sampled_cases():
        small = case.layer.startswith("operators/") or case.layer == "core/deepseek_ocr_model"
        if case.layer in roots and small:
            counted.append(count_case(case, Bench()))
    return counted
