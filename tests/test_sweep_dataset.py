"""Sweeps as labelled arrays: every point is what a single question answers; labels, units, dask."""

import doctest
import math
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import UserError, load_model, sweep
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.questions.sweep import dataset as sweep_dataset
from dsocr_symbolic.questions.sweep.dataset import MOST_NUMBERS, dataset
from dsocr_symbolic.questions.sweep.plan import plan_sweep

xarray = pytest.importorskip("xarray")

FAST = "forward_tensor_core_flops"
BATCHES, GPUS, ATTENTIONS = [1, 3, 64, 1000], ["rtx5090", "h200"], ["flash", "eager"]
METRICS = (FAST, "forward_io_bytes", "roofline_s", "forward_kv_cache_bytes", "forward_arithmetic_intensity")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("deepseek-ocr")


@pytest.fixture(scope="module")
def data(model: Model) -> Any:
    return sweep(
        model,
        metrics=METRICS,
        by="stage",
        settings={"text_tokens": 20},
        batch=BATCHES,
        gpu=GPUS,
        crop_grid="all",
        attention=ATTENTIONS,
    )


@settings(deadline=None, max_examples=50)
@given(choose=st.data())
def test_every_point_is_what_a_single_question_answers(data: Any, choose: st.DataObject) -> None:
    point = {name: choose.draw(st.sampled_from(data[name].values.tolist())) for name in ("batch", "gpu", "attention")}
    grid = choose.draw(st.sampled_from(data.crop_grid.values.tolist()))
    metric = choose.draw(st.sampled_from(METRICS))
    columns, rows = map(int, grid.split("x"))
    values = {"batch": point["batch"], "crop_columns": columns, "crop_rows": rows, "text_tokens": 20}
    answer = evaluate_model("gundam", values, gpu=point["gpu"], attention=point["attention"])
    found = data[metric].sel(**point, crop_grid=grid)
    for stage, metrics in (*answer.stages.items(), ("total", answer.total)):
        expected = math.nan if metrics[metric] is None else metrics[metric]
        assert found.sel(stage=stage).item() == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_labels_and_units(data: Any) -> None:
    assert data.sizes == {"batch": 4, "gpu": 2, "crop_grid": 23, "attention": 2, "stage": 5}
    assert data.stage.values.tolist() == ["vision", "projector", "prefill", "decode", "total"]
    assert data.batch.attrs == {"long_name": "requests in the batch"}
    assert data.attention.attrs == {"long_name": "kernel of the decoder's attention"}
    for metric, values in data.items():
        known = load_metrics()[metric]
        assert values.attrs == {"units": known.unit, "long_name": known.definition}
        assert values.dtype == np.float64
    grid = data.sel(crop_grid="3x2")
    assert (grid.crop_columns.item(), grid.crop_rows.item()) == (3, 2)
    assert data.attrs["model"] == "deepseek-ocr"
    assert data.attrs["workload"] == "gundam"
    assert data.attrs["settings"] == "text_tokens = 20"
    assert data.attrs["kv_dtype"] == "bf16"
    assert not {"gpu", "attention", "batch"} & set(data.attrs)


def test_a_data_frame_has_a_row_per_point(data: Any) -> None:
    frame = data.to_dataframe()
    assert len(frame) == 4 * 2 * 23 * 2 * 5
    assert frame.index.names == ["batch", "gpu", "crop_grid", "attention", "stage"]
    assert frame.loc[(64, "h200", "2x1", "eager", "prefill"), FAST] == data[FAST].sel(
        batch=64, gpu="h200", crop_grid="2x1", attention="eager", stage="prefill"
    )


def test_stages_add_up(data: Any) -> None:
    for metric in (FAST, "forward_io_bytes", "roofline_s"):
        parts = data[metric].sel(stage=data.stage != "total").sum("stage")
        np.testing.assert_allclose(parts, data[metric].sel(stage="total"), rtol=1e-12)


def test_the_order_of_axes_is_that_of_the_question(model: Model) -> None:
    one = sweep(model, metrics=FAST, new_tokens=[0, 9], logits=["all", "last"], batch=[2, 5])
    other = sweep(model, metrics=FAST, batch=[2, 5], new_tokens=[0, 9], logits=["all", "last"])
    assert one[FAST].dims == ("new_tokens", "logits", "batch")
    assert other[FAST].dims == ("batch", "new_tokens", "logits")
    xarray.testing.assert_identical(one[FAST].transpose(*other[FAST].dims), other[FAST])


def test_parts(model: Model) -> None:
    path = "prefill/layers.1-11/mlp"
    one = sweep(model, metrics=FAST, by=path, batch=[1, 2])
    two = sweep(model, metrics=FAST, by=[path, "total"], batch=[1, 2])
    assert one[FAST].dims == ("batch",)
    assert one.attrs["part"] == path
    assert two[FAST].dims == ("batch", "part")
    assert "part" not in two.attrs
    np.testing.assert_array_equal(two[FAST].sel(part=path), one[FAST])


def test_single_values_hold_everywhere(model: Model) -> None:
    found = sweep(model, metrics=FAST, batch=[2, 4], workload="tiny", attention="eager", new_tokens=np.int64(7))
    expected = evaluate_model("tiny", {"batch": 4, "new_tokens": 7}, attention="eager").total[FAST]
    assert found[FAST].sel(batch=4) == expected
    assert found.attrs["workload"] == "tiny"
    assert found.attrs["attention"] == "eager"


def test_names_alone_can_vary(model: Model) -> None:
    found = sweep(
        model, metrics=["forward_weight_bytes", FAST], workload=["tiny", "gundam"], weight_dtype=["fp8", "bf16"]
    )
    assert found.sizes == {"workload": 2, "weight_dtype": 2}
    np.testing.assert_array_equal(
        *(factor * found.forward_weight_bytes.sel(weight_dtype=name) for factor, name in ((2, "fp8"), (1, "bf16")))
    )
    assert found[FAST].sel(workload="tiny", weight_dtype="fp8") == evaluate_model("tiny").total[FAST]


def test_a_variation_of_the_model(model: Model) -> None:
    found = sweep(model.what_if(n_routed_experts=128), metrics="parameters", num_experts_per_tok=[1, 6])
    assert (
        found.parameters.values.tolist() == [evaluate_model(settings={"n_routed_experts": 128}).total["parameters"]] * 2
    )
    assert found.attrs["what_if"] == "n_routed_experts = 128"


def test_integers_do_not_wrap(model: Model) -> None:
    found = sweep(
        model, metrics=FAST, by="prefill", batch=[1, 10**9], text_tokens=np.array([10, 10**6], dtype=np.int32)
    )
    exact = evaluate_model(settings={"batch": 10**9, "text_tokens": 10**6}).stages["prefill"][FAST]
    assert exact > 2**63
    assert found[FAST].values[-1, -1] == pytest.approx(exact, rel=1e-12)


def test_a_ratio_of_nothing_is_not_a_number(model: Model) -> None:
    found = sweep(model, metrics="forward_arithmetic_intensity", by="decode", new_tokens=[0, 1])
    assert np.isnan(found.forward_arithmetic_intensity.values).tolist() == [True, False]


def test_points_that_the_network_does_not_have(model: Model) -> None:
    with pytest.raises(
        UserError, match=r"2 to 9 crops .* crops = 12, max_crops = 9, at batch 1, gpu h200, crop_grid 4x3$"
    ):
        sweep(model, metrics=FAST, batch=[1, 2], gpu=["h200"], crop_grid=[(2, 1), (4, 3)])
    found = sweep(model, metrics=FAST, crop_grid=[(2, 1), (4, 3)], waived=["allow_any_grid"])
    exact = evaluate_model(settings={"crop_columns": 4, "crop_rows": 3}, waived=frozenset({"allow_any_grid"}))
    assert found[FAST].sel(crop_grid="4x3") == exact.total[FAST]
    with pytest.raises(UserError, match=r"both 0 or both positive; got .*, at crop_columns 0, crop_rows 1$"):
        sweep(model, metrics=FAST, crop_columns=[0, 1], crop_rows=[0, 1, 2])
    with pytest.raises(UserError, match=r"tensor_fp8_flops_per_s.*, at gpu rtx3090, activation_dtype fp8$"):
        sweep(model, metrics="roofline_s", gpu=["rtx3090"], activation_dtype=["fp8"])


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"metrics": FAST}, "nothing varies"),
        ({"metrics": FAST, "batch": 3}, "nothing varies"),
        ({"metrics": [], "batch": [1]}, "nothing is asked"),
        ({"metrics": FAST, "by": [], "batch": [1]}, "nothing is asked"),
        ({"metrics": "flops", "batch": [1]}, "unknown metric 'flops'"),
        ({"metrics": FAST, "by": "visio", "batch": [1]}, "unknown part 'visio': did you mean vision"),
        ({"metrics": FAST, "batch": [1], "settings": {"batch": 2}}, "batch: varies, and is set to 2"),
        ({"metrics": FAST, "batch": [1], "new_tokens": 2, "settings": {"new_tokens": 2}}, "new_tokens: given twice"),
        ({"metrics": FAST, "crop_grid": "all", "crop_rows": 2}, "crop_rows: varies, and is set to 2"),
        ({"metrics": FAST, "batch": [1], "gpu": "h2000"}, "unknown GPU 'h2000'"),
        ({"metrics": FAST, "batch": [1], "attention": "flesh"}, "unknown option 'flesh': did you mean flash"),
        ({"metrics": FAST, "batch": [1], "settings": {"bach": 2}}, "unknown symbol 'bach': did you mean batch"),
        ({"metrics": FAST, "batch": f"1:{MOST_NUMBERS + 1}"}, "too many for memory"),
        ({"metrics": FAST, "batch": [1], "chunks": {"bach": 2}}, "chunks: unknown axis 'bach'"),
        ({"metrics": FAST, "batch": [1], "chunks": {"batch": "x"}}, "no numbers of points"),
        ({"metrics": FAST, "batch": f"1:{MOST_NUMBERS + 1}", "chunks": {}}, "labels are too many for memory"),
    ],
)
def test_mistakes(model: Model, question: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        sweep(model, **question)
    assert "\n" not in str(error.value)


def test_unverified_numbers_are_named_where_times_rest_on_them(model: Model) -> None:
    gpus = ["rtx5090", "h100-pcie"]
    timed, counted = (sweep(model, metrics=metric, gpu=gpus) for metric in ("roofline_s", FAST))
    assert timed.attrs["unverified"] == "memory_bandwidth_bytes_per_s of h100-pcie"
    assert "unverified" not in counted.attrs
    set_by_hand = sweep(model, metrics="roofline_s", gpu=gpus, memory_bandwidth=1e12)
    assert "unverified" not in set_by_hand.attrs


# plans


@given(batches=st.lists(st.integers(0, 7), min_size=1), names=st.lists(st.integers(0, 2), min_size=1))
def test_any_points_in_any_order(plan: Any, batches: list[int], names: list[int]) -> None:
    count = min(len(batches), len(names))
    places = (np.array(batches[:count]), np.array(names[:count]))
    whole = dataset(plan)[FAST].values
    np.testing.assert_array_equal(plan.evaluate(places)[0], whole[places])


@pytest.fixture(scope="module")
def plan(model: Model) -> Any:
    return plan_sweep(model, metrics=FAST, batch="1:8", workload=["tiny", "small", "gundam"])


def test_a_plan_survives_a_pickle(plan: Any) -> None:
    again = pickle.loads(pickle.dumps(plan))  # noqa: S301 - made by this very test
    assert again.fingerprint == plan.fingerprint
    np.testing.assert_array_equal(again.evaluate(plan.places(0, 24)), plan.evaluate(plan.places(0, 24)))


def test_blocks_cover_every_point_once(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dataset(plan)
    monkeypatch.setattr("dsocr_symbolic.questions.sweep.plan._MOST_ROWS", 5)
    spans = list(plan.blocks())
    assert spans == [(0, 5), (5, 10), (10, 15), (15, 20), (20, 24)]
    done: list[int] = []
    xarray.testing.assert_identical(dataset(plan, done.append), whole)
    assert sum(done) == plan.count == 24


def test_the_fingerprint_tells_questions_apart(model: Model, plan: Any) -> None:
    def fingerprint(**question: Any) -> str:
        return plan_sweep(model, **{"metrics": FAST, "batch": [1, 2], **question}).fingerprint

    others = [
        {"batch": [1, 3]},
        {"batch": [2, 1]},
        {"batch": "1:2"},
        {"metrics": "forward_cuda_core_flops"},
        {"by": "vision"},
        {"workload": "tiny"},
        {"attention": "eager"},
        {"settings": {"new_tokens": 7}},
        {"gpu": ["rtx5090"]},
    ]
    found = [fingerprint(), *(fingerprint(**each) for each in others)]
    assert len(set(found)) == len(found)
    assert fingerprint() == found[0]
    assert plan.fingerprint not in found


# examples


def test_the_example_in_the_documentation_holds() -> None:
    assert doctest.testmod(sweep_dataset).attempted == 2
    assert doctest.testmod(sweep_dataset).failed == 0


def test_the_example_of_the_guide_runs() -> None:
    pytest.importorskip("dask")
    guide = (Path(__file__).parent.parent / "reports" / "guide" / "sweep.md").read_text(encoding="utf-8")
    block = re.search(r"## In Python\n.*?```python\n(.*?)```", guide, re.DOTALL)
    assert block
    example = doctest.DocTestParser().get_doctest(block.group(1), {}, "sweep", "sweep.md", 0)
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    scope = example.globs
    assert scope["data"].sizes == {"batch": 128, "crop_grid": 23, "gpu": 2}
    assert len(scope["frame"]) == 128
    assert scope["slowest"].item() > scope["data"].ttft_s.max().item()


# dask


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as started,
        distributed.Client(started) as client,
    ):
        yield client


def test_lazy_numbers_are_the_same(model: Model) -> None:
    dask = pytest.importorskip("dask")
    question: dict[str, Any] = {"by": "stage", "batch": "1:20", "logits": ["all", "last"], "crop_grid": "0x0,3x2"}
    lazy = sweep(model, metrics=[FAST, "parameters"], chunks={"batch": 7}, **question)
    assert dask.is_dask_collection(lazy)
    assert lazy[FAST].chunks == ((7, 7, 6), (2,), (2,), (5,))
    with dask.config.set(scheduler="synchronous"):
        xarray.testing.assert_identical(lazy.compute(), sweep(model, metrics=[FAST, "parameters"], **question))


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_computes_them(model: Model, cluster: Any) -> None:
    question: dict[str, Any] = {"metrics": FAST, "batch": "1:200", "attention": ["flash", "eager"]}
    lazy = sweep(model, chunks={"batch": 50, "attention": 1}, **question)
    assert cluster.scheduler_info()["workers"]
    xarray.testing.assert_identical(lazy.compute(), sweep(model, **question))


@pytest.mark.filterwarnings("ignore")
def test_dask_arrays_go_through_a_compiled_function(model: Model, cluster: Any) -> None:
    array = pytest.importorskip("dask.array")
    assert cluster.scheduler_info()["workers"]
    function = model.compile(FAST, over="batch", by="total", threads=1)
    batch = array.arange(1, 101, chunks=25)
    found = batch.map_blocks(_total, function, dtype=float).compute()
    np.testing.assert_array_equal(found, function(batch=np.arange(1, 101))[FAST]["total"])


def _total(batch: Any, function: Any) -> Any:
    return function(batch=batch)[FAST]["total"]
