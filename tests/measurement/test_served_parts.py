"""Parts of the served network as calls, and their measuring, dry: on small sizes, on a CPU, uncompiled and untimed."""

import json

import pytest

torch = pytest.importorskip("torch", reason="the served network needs torch: pip install dsocr_symbolic[verify]")

from dsocr_symbolic.errors import UserError  # noqa: E402
from dsocr_symbolic.measurement import measure  # noqa: E402
from dsocr_symbolic.measurement.components import TimedCase  # noqa: E402
from dsocr_symbolic.measurement.kernels import MeasuredKernel  # noqa: E402
from dsocr_symbolic.measurement.network import NetworkCache, tiny_config  # noqa: E402
from dsocr_symbolic.measurement.prediction import known_components, load_components, parts  # noqa: E402
from dsocr_symbolic.measurement.served.network import ServedCache  # noqa: E402
from dsocr_symbolic.measurement.served.parts import PARTS, by_name, check_served, make_served  # noqa: E402

SIZES = {"batch": 2, "image_size": 128, "feature_grid": 2, "sequence": 7, "past": 5}
SHAPES = {
    "served_sam": (2, 16, 2, 2),
    "served_clip": (2, 5, 16),
    "served_prefill": (2, 32),
    "served_chunk": (2, 32),
    "served_decode": (2, 32),
}


def _case(component: str, mode: str = "eager") -> TimedCase:
    return TimedCase(
        component=component,
        mode=mode,
        settings={name: SIZES[name] for name in PARTS[component]},
        choices={"execution": "served"},
    )


@pytest.fixture(scope="module")
def cache() -> ServedCache:
    return ServedCache(plain=NetworkCache(device="cpu", config=tiny_config()), compiles=False)


@pytest.mark.parametrize("component", PARTS)
def test_every_part_runs_and_gives_the_same_each_time(cache: ServedCache, component: str) -> None:
    prepared = make_served(_case(component), cache)
    first, second = prepared.call(), prepared.call()
    assert isinstance(first, torch.Tensor)
    assert first.shape == SHAPES[component]
    assert bool(first.isfinite().all())
    assert torch.equal(first, second)
    assert len(prepared.experts_hit()) == (0 if "sam" in component or "clip" in component else 1)


def test_a_dry_measurement_names_kernels_instead_of_operators(cache: ServedCache) -> None:
    said: list[str] = []
    cases = [_case(component, "graph" if component == "served_decode" else "eager") for component in PARTS]
    found = measure.measure_cases(cases, rounds=1, say=said.append, network_cache=cache.plain, served=True, dry=True)
    assert json.loads(json.dumps(found)) == found
    assert found["left_out"] == []
    for each in found["cases"]:
        assert "error" not in each
        assert (each["operators"], each["kernels_by_name"]) == ([], [])
        assert len(each["wall_s"]) == 1


def test_kernels_are_added_up_by_name_in_order() -> None:
    kernels = [MeasuredKernel(name=name, seconds=seconds) for name, seconds in (("b", 1.0), ("a", 2.0), ("b", 3.0))]
    assert by_name(kernels) == [
        {"name": "b", "kernels": 2, "seconds": 4.0},
        {"name": "a", "kernels": 1, "seconds": 2.0},
    ]


def test_the_file_asks_for_parts_that_there_are() -> None:
    asked = [
        TimedCase(component=part.component, mode=part.mode, settings=part.settings, choices=part.choices)
        for part in parts(load_components("served"))
    ]
    for case in asked:
        check_served(case)
    assert {case.component for case in asked} == set(PARTS)
    assert {case.mode for case in asked if case.component == "served_decode"} == {"graph"}
    assert set(known_components()) == {*load_components(), *PARTS}


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (TimedCase(component="decode", settings={}), "served_decode"),
        (TimedCase(component="served_decode", mode="backward", settings={"batch": 1, "past": 1}), "graph"),
        (TimedCase(component="served_decode", settings={"batch": 1}), "no value for past"),
        (TimedCase(component="served_decode", settings={"batch": 0, "past": 1}), "batch must be at least 1"),
        (TimedCase(component="served_decode", settings={"batch": 1, "past": 1, "tokens": 1}), "tokens"),
    ],
)
def test_a_case_that_nobody_serves_is_refused(case: TimedCase, says: str) -> None:
    with pytest.raises(UserError, match=says):
        check_served(case)
