"""The verifier: it agrees everywhere, it would notice, and its results are the committed ones."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve

pytest.importorskip("torch", reason="counting needs torch: pip install dsocr_symbolic[verify]")
pytest.importorskip("transformers", reason="the library's parts need transformers: pip install dsocr_symbolic[verify]")

from dsocr_symbolic.cli import main
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.paths import PACKAGE, data_files
from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import Case, formula_file, sampled_cases, uncounted
from dsocr_symbolic.verification.calls.comparison import Counted, compare
from dsocr_symbolic.verification.calls.subjects import SUBJECTS, count_case
from dsocr_symbolic.verification.content import content_digest
from dsocr_symbolic.verification.proof import ProofCell, proof_cells, prove
from dsocr_symbolic.verification.reference.cuda_flops import cuda_core_flops
from dsocr_symbolic.verification.running import Job, jobs, run_job
from dsocr_symbolic.verification.verify import PARTS, comparison_result, page, training_result

REPORTS = PACKAGE.parent / "reports"


# Of the jobs of a verification one in so many is run anew, a part of the network at other sizes among them.
EACH = 6


@pytest.mark.parametrize("part", ["reference", "training", "transformers"])
def test_committed_results_are_of_these_formulas_and_this_code(part: str) -> None:
    """A whole verification takes minutes: it need not run while nothing that it hangs on has changed."""
    committed = json.loads((REPORTS / "verification" / f"{part}.json").read_text())["versions"]
    assert committed["content"] == content_digest(), "run dsocr verify --out reports and commit"


def _sample() -> list[Job]:
    kinds: dict[str, list[Job]] = {}
    for job in jobs():
        kinds.setdefault(job[0], []).append(job)
    return [job for kind in ("cell", "case", "steps") for job in kinds[kind][EACH - 1 :: EACH]]


@pytest.mark.parametrize("job", _sample(), ids=lambda job: "-".join(map(str, job)))
def test_committed_results_are_what_is_counted_now(job: Job) -> None:
    outcomes = run_job(job)
    assert outcomes
    for outcome in outcomes:
        assert outcome.differing == ()
        part = "training" if outcome.source.partition(" ")[0] == "training" else "reference"
        committed = json.loads((REPORTS / "verification" / f"{part}.json").read_text())["layers"][outcome.layer]
        found = (comparison_result if part == "reference" else training_result)([outcome], {})["layers"][outcome.layer]
        assert {*found.get("proven", [])} <= {*committed.get("proven", [])}
        assert found.keys() <= committed.keys()


@pytest.mark.parametrize("part", ["reference", "transformers", "checkpoint"])
def test_nothing_differs_in_the_committed_results(part: str) -> None:
    layers = json.loads((REPORTS / "verification" / f"{part}.json").read_text())["layers"]
    assert layers
    assert all(row["differing"] == 0 and row["calls"] > 0 for row in layers.values())


def test_the_committed_page_is_rendered_from_the_committed_results() -> None:
    # A run of all mutants takes hours: there is one of these formulas, or none is shown.
    there = {path.stem for path in (REPORTS / "verification").glob("*.json")}
    assert there | {"mutants"} == set(PARTS)
    assert (REPORTS / "verification.md").read_text(encoding="utf-8") == page(REPORTS)


def test_every_formula_file_is_counted_or_says_why_not() -> None:
    library = load_library()
    names = {
        f"operators/{each.name}" for each in library.formulas.values() if Path(each.file).parent.name == "operators"
    }
    names |= {f"{path.parent.name}/{path.stem}" for path in data_files("formulas/layers").values()}
    counted = {formula_file(name) for name in SUBJECTS}
    called = {formula_file(each.layer) for each in (*proof_cells(), *sampled_cases())}
    inside = {"decoder/deepseek_v2_decoder_layer"}
    # Of one that dsocr measure alone runs the reference network is the measure.
    assert names - {"vision/joined_projector"} == counted | set(uncounted())
    assert counted - inside <= called


def _counted(case: Case) -> Counted:
    return count_case(case, Bench())


@pytest.mark.parametrize("metric", ["forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes"])
def test_a_wrong_count_is_a_difference(metric: str) -> None:
    counted = _counted(next(case for case in sampled_cases() if case.layer == "operators/linear"))
    assert compare(counted).differences == ()
    wrong = evolve(counted, metrics={**counted.metrics, metric: counted.metrics[metric] + 1})
    (difference,) = compare(wrong).differences
    assert (difference.name, difference.counted - difference.formula) == (metric, 1)


def test_the_operator_that_differs_is_named() -> None:
    counted = _counted(next(case for case in sampled_cases() if case.layer == "operators/gelu"))
    wrong = evolve(counted, by_aten={"gelu": (1, 1), "relu": (2, 3)})
    assert [each.name for each in compare(wrong).differences] == ["aten gelu", "aten relu"]


def test_a_mismatch_exits_1_and_names_formula_counted_difference_and_operator(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dsocr_symbolic.verification import verify as command
    from dsocr_symbolic.verification.running import single_outcome

    counted = _counted(next(case for case in sampled_cases() if case.layer == "operators/gelu"))
    wrong = evolve(counted, metrics={"forward_io_bytes": 5}, by_aten={"gelu": (5, 1)})
    monkeypatch.setattr(command, "run_all", lambda _: iter([[single_outcome(compare(wrong))]]))
    monkeypatch.setattr(command, "_verify_networks", lambda *_: 0)
    with pytest.raises(SystemExit) as exit_:
        main(["verify"])
    assert exit_.value.code == 1
    text = capsys.readouterr().out
    assert "operators/gelu (plain) at elements=7" in text
    assert "forward_io_bytes: formula 28, counted 5, difference 23" in text
    assert "aten gelu: formula (28, 1), counted (5, 1), difference (23, 0)" in text


def test_a_cell_on_which_a_guard_changes_is_refused() -> None:
    axes = {"sequence": (1, 1)}
    cell = ProofCell(layer="llama/llama_attention", name="a guard inside", axes=axes, settings=_one_sequence)
    with pytest.raises(ValueError, match="no polynomial in sequence"):
        prove(cell, "plain")


def _one_sequence(point: Mapping[str, int]) -> dict[str, int]:
    return {**point, "batch": 1, "past": 0, "cached": 0, "hidden_size": 8, "num_attention_heads": 2}


def test_a_wrong_formula_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = next(cell for cell in proof_cells() if cell.layer == "vision/mlp_block")
    maker = SUBJECTS["vision/mlp_block"]
    wrong = {**SUBJECTS, "vision/mlp_block": lambda bench, s: maker(bench, {**s, "tokens": s["tokens"] + 1})}
    monkeypatch.setattr("dsocr_symbolic.verification.proof.SUBJECTS", wrong)
    assert not prove(cell, "plain").holds


# The convention table by hand, on a tensor of 2 rows and 3 columns.


def test_softmax_by_hand() -> None:
    """Six elements: max, subtract and sum 1 each, exp 7, div 23."""
    import torch

    assert cuda_core_flops("_softmax", (torch.empty(2, 3),), torch.empty(2, 3)) == 6 * (3 + 7 + 23)


def test_layer_norm_by_hand() -> None:
    """Six elements: sum, centre, square, sum, scale, weight, bias; two rows: 2 div of 23, add, rsqrt of 5."""
    import torch

    x = torch.empty(2, 3)
    assert cuda_core_flops("native_layer_norm", (x, [3]), (x, x[:, :1], x[:, :1])) == 6 * 7 + 2 * (2 * 23 + 1 + 5)


def test_gelu_by_hand() -> None:
    """Six elements: times, erf of 11, plus, times, times."""
    import torch

    assert cuda_core_flops("gelu", (torch.empty(2, 3),), torch.empty(2, 3)) == 6 * (4 + 11)


def test_rotary_positions_by_hand() -> None:
    """Two heads of width 4: x cos is 8, minus the halves is 4, turned sin is 8, their sum is 8."""
    from dsocr_symbolic.verification.calls.subjects_decoder import rotated

    bench = Bench("plain")
    with bench.context():
        counted = bench.count(
            "llama/rotate", {"elements": 8, "angles": 4}, {}, rotated(bench, {"elements": 8, "angles": 4}), "hand"
        )
    assert counted.metrics["forward_cuda_core_flops"] == 8 + 4 + 8 + 8
