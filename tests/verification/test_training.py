"""Counts of gradient steps and peaks: right, complete, and compared as they say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="counting needs torch: pip install dsocr_symbolic[verify]")

import torch
from torch.utils.flop_counter import FlopCounterMode

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.verification.calls import comparison
from dsocr_symbolic.verification.calls.cases import (
    WHOLE,
    Case,
    formula_file,
    page_settings,
    peak_cases,
    published_layers,
    training_pages,
    uncounted,
)
from dsocr_symbolic.verification.calls.comparison import LEAST_BYTES, LIMITS, Counted, Difference, compare
from dsocr_symbolic.verification.calls.subjects import SUBJECTS, count_case, subject_of
from dsocr_symbolic.verification.reference.memory import Peak
from dsocr_symbolic.verification.reference.trace import OperatorTrace, tensors_in
from dsocr_symbolic.verification.running import Outcome, steps_by_layer
from dsocr_symbolic.verification.training import PeakBench, TrainingBench, training_cases
from dsocr_symbolic.verification.verify import training_result

COMMITTED = PACKAGE.parent / "reports" / "verification" / "training.json"
INDICES_SAVED = {"vision/clip_vision_embeddings", "vision/rel_pos_table"}
NOTHING_SAVED = {"llama/llama_rotary_embedding", "decoder/causal_mask"}
SMALL = [case for case in training_cases() if case.settings.get("batch", 1) < 4 and "clip_layers" not in case.settings]
SAMPLE = [next(case for case in SMALL if case.layer == layer) for layer in dict.fromkeys(each.layer for each in SMALL)]


def count_training(case: Case) -> Counted:
    return count_case(case, TrainingBench())


def count_peak(case: Case) -> Counted:
    return count_case(case, PeakBench())


def case_peak(case: Case) -> Peak:
    bench = PeakBench()
    with bench.context():
        return bench.peak(subject_of(bench, case))


# PyTorch's counter has no rule for grouped products; those of the loop are the same.
UNKNOWN = ("operators/grouped_linear", "decoder/experts_grouped")


@pytest.mark.parametrize("case", [case for case in SAMPLE if case.layer not in UNKNOWN], ids=lambda case: case.layer)
def test_backward_is_what_flop_counter_mode_counts_less_forward(case: Case) -> None:
    bench = TrainingBench()
    with bench.context():
        subject = subject_of(bench, case)
        module = torch.nn.Module() if subject.owner is None else subject.owner.train()
        with FlopCounterMode(display=False) as counter:
            results = [out for out in tensors_in((subject.call(),)) if out.requires_grad]
            forward = counter.get_total_flops()
            if results:
                torch.autograd.backward([out.sum() for out in results])
        module.eval()
        module.zero_grad(set_to_none=True)
    assert count_training(case).metrics["backward_tensor_core_flops"] == counter.get_total_flops() - forward


def forward_flops(case: Case) -> int:
    bench = TrainingBench()
    with bench.context(), FlopCounterMode(display=False) as counter:
        subject = subject_of(bench, case)
        if subject.owner is not None:
            subject.owner.train()
        subject.call()
    return int(counter.get_total_flops())


@pytest.mark.parametrize(
    ("layer", "settings", "halves"),
    [
        # A product takes two products backward, one where its input is pixels, and five for two in a fused kernel.
        ("decoder/lm_head", {"tokens": 3, "hidden_size": 4, "vocab_size": 5}, 4),
        ("vision/patch_embed", {"batch": 2, "image_size": 32, "sam_patch_size": 16, "sam_width": 4}, 2),
        ("llama/attend_flash", {"batch": 2, "sequence": 3, "keys": 3, "heads": 2, "head_dim": 4}, 5),
        ("llama/attend_eager", {"batch": 2, "sequence": 3, "keys": 3, "heads": 2, "head_dim": 4}, 4),
        ("decoder/deepseek_v2_mlp", {"tokens": 3, "hidden_size": 4, "intermediate_size": 5}, 4),
    ],
)
def test_backward_is_a_known_multiple_of_forward(layer: str, settings: Mapping[str, int], halves: int) -> None:
    case = Case(layer=layer, settings=settings)
    assert 2 * count_training(case).metrics["backward_tensor_core_flops"] == halves * forward_flops(case) > 0


def test_every_parameter_that_runs_gets_a_gradient_of_its_size() -> None:
    sizes = {"tokens": 3, "hidden_size": 4, "intermediate_size": 5}
    found = count_training(Case(layer="decoder/deepseek_v2_mlp", settings=sizes)).metrics
    assert found["backward_weight_bytes"] == 3 * 4 * 5 * 2
    embeddings = {"batch": 1, "feature_grid": 2, "clip_width": 4, "clip_table_grid": 2, "clip_patch_size": 3}
    found = count_training(Case(layer="vision/clip_vision_embeddings", settings=embeddings)).metrics
    # The class token and the table of positions; the patch convolution never runs.
    assert found["backward_weight_bytes"] == (4 + 5 * 4) * 2


def test_counting_a_page_twice_gives_the_same_and_leaves_no_gradients() -> None:
    case = Case(layer=WHOLE, settings=page_settings(0, 0), choices={"attention": "flash", "logits": "all"})
    first = count_training(case)
    assert count_training(case) == first
    bench = TrainingBench()
    with bench.context():
        owner = subject_of(bench, case).owner
    assert owner is not None
    assert not owner.training
    assert all(parameter.grad is None for parameter in owner.parameters())
    assert count_peak(case) == count_peak(case)


@pytest.mark.parametrize("train", ["all", "decoder"])
def test_autograd_trains_what_the_choice_says(train: str) -> None:
    case = next(case for case in training_pages() if case.choices["train"] == train)
    bench = TrainingBench()
    with bench.context():
        subject = subject_of(bench, case)
        assert subject.owner is not None
        subject.owner.train()
        with OperatorTrace() as trace:
            out = subject.call()
            forward = dict(trace.by_operator)
            out.sum().backward()
    network = subject.owner.model
    vision = [*network.sam_model.parameters(), *network.vision_model.parameters(), *network.projector.parameters()]
    vision += [network.image_newline, network.view_seperator]
    got = [parameter.grad is not None for parameter in vision]
    # The patch convolution of CLIP never runs.
    assert sum(got) == (len(got) - 1 if train == "all" else 0)
    assert network.embed_tokens.weight.grad is not None
    # Of the convolutions and of the scatter nothing goes backward where nobody asks.
    for operator in ("convolution_backward", "masked_scatter_backward"):
        assert any(operator in name for name in trace.by_operator) == (train == "all"), sorted(trace.by_operator)
    assert not any("backward" in name for name in forward)
    subject.owner.zero_grad(set_to_none=True)
    subject.owner.eval()
    assert compare(count_training(case)).differences == ()


def test_logits_of_the_last_position_take_less() -> None:
    all_, last = (
        case_peak(Case(layer=WHOLE, settings=page_settings(3, 3), choices={"attention": "flash", "logits": logits}))
        for logits in ("all", "last")
    )
    assert all_.operator == "_to_copy"
    assert last.peak_bytes < all_.peak_bytes


def test_every_layer_is_counted_in_training_and_at_its_peak() -> None:
    layers = {layer for layer in SUBJECTS if not layer.startswith("operators/")} - {"core/deepseek_ocr_model"}
    layers = {layer.partition(" ")[0] for layer in layers}
    trained = {formula_file(case.layer) for case in training_cases()}
    assert {layer for layer in trained if not layer.startswith("operators/")} == layers | {WHOLE}
    formulas = load_library().formulas.values()
    backward = {
        f"operators/{each.name}" for each in formulas if isinstance(each, Operator) and each.backward is not None
    }
    # Of those that no call stands for.
    assert backward - trained <= set(uncounted())
    assert {formula_file(case.layer) for case in peak_cases()} == layers | {WHOLE}
    assert layers.isdisjoint(uncounted())
    assert set(steps_by_layer()) >= {case.layer for case in training_cases()}


CHEAP = [case for case in published_layers() if not case.layer.startswith(("core/language", "decoder/deepseek_v2_mo"))]


@pytest.mark.parametrize("layer", sorted({case.layer for case in CHEAP}))
def test_every_layer_is_large_enough_to_be_compared(layer: str) -> None:
    largest = [case for case in CHEAP if case.layer == layer][-1]
    assert count_peak(largest).metrics["forward_activation_bytes"] >= LEAST_BYTES
    saved = count_training(largest).metrics["backward_activation_bytes"]
    if layer in INDICES_SAVED | NOTHING_SAVED:
        assert (saved == 0) == (layer in NOTHING_SAVED)
    else:
        assert saved >= LEAST_BYTES


def counted(**metrics: int) -> Counted:
    return Counted(source="training", layer="vision/mlp_block", settings={}, metrics=metrics)


def formula(monkeypatch: pytest.MonkeyPatch, **numbers: Any) -> None:
    class Fake:
        total = numbers

    monkeypatch.setattr(comparison, "formula_numbers", lambda *_, **__: Fake)


def test_exact_metrics_have_no_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    formula(monkeypatch, backward_tensor_core_flops=10**15 + 1)
    (found,) = compare(counted(backward_tensor_core_flops=10**15)).differences
    assert (found.formula, found.counted) == (10**15 + 1, 10**15)


@pytest.mark.parametrize("metric", LIMITS)
def test_limits_are_kept(monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    least, limit = 10**6, LIMITS[metric]
    for factor, agrees in ((1 + limit, True), (1 - limit, True), (1 + limit + 1e-3, False), (1 - limit - 1e-3, False)):
        formula(monkeypatch, **{metric: round(least * factor)})
        found = compare(counted(**{metric: least}))
        assert (found.differences == ()) == agrees
        assert found.ratios[metric] == pytest.approx(factor)


def test_small_counts_are_not_compared_but_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    formula(monkeypatch, backward_activation_bytes=1)
    assert compare(counted(backward_activation_bytes=LEAST_BYTES - 1)).ratios == {}
    found = compare(counted(backward_activation_bytes=0))
    assert found.ratios == {"backward_activation_bytes": 0.0}
    assert len(found.differences) == 1


def test_a_metric_without_a_formula_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    formula(monkeypatch, backward_tensor_core_flops=None)
    found = compare(counted(backward_tensor_core_flops=5))
    assert found.ratios == {"backward_tensor_core_flops": None}
    assert found.differences == ()


def test_results_hold_the_range_of_each_metric() -> None:
    def outcome(ratio: float | None, *, differs: bool) -> Outcome:
        differing = (({}, (Difference(name="m", formula=5, counted=4),)),) if differs else ()
        blank = {"source": "training", "layer": "l", "name": "", "precision": "plain", "points": 1, "degrees": {}}
        return Outcome(**blank, differing=differing, ratios={"m": ratio})

    result = training_result(
        [outcome(1.25, differs=True), outcome(1.0, differs=False), outcome(None, differs=False)], {}
    )
    assert result["layers"]["l"]["m"] == {"calls": 3, "differing": 1, "open": 1, "low": 1.0, "high": 1.25}


def test_nothing_differs_in_the_committed_results() -> None:
    layers = json.loads(Path(COMMITTED).read_text(encoding="utf-8"))["layers"]
    assert WHOLE in layers
    assert all(cell["differing"] == 0 and cell["calls"] > 0 for row in layers.values() for cell in row.values())


def test_pages_agree_with_the_models_own_rules() -> None:
    case = Case(layer=WHOLE, settings=page_settings(3, 2), choices={"attention": "eager", "logits": "last"})
    # Evaluating the model checks every symbol and rule, image tokens and prompt included.
    found = compare(count_peak(case))
    assert set(found.ratios) == {"forward_activation_bytes"}
