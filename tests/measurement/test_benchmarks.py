"""Records of single operators and the host's layers: dry on a CPU; what a GPU would say is made up."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

REASON = "measuring needs torch (the extra 'verify')"
torch = pytest.importorskip("torch", reason=REASON)

import attrs  # noqa: E402
from torch import Tensor  # noqa: E402

from dsocr_symbolic.errors import UserError  # noqa: E402
from dsocr_symbolic.measurement import cupti, kernels  # noqa: E402
from dsocr_symbolic.measurement.benchmarks import Benchmark, TensorSpec, make_tensor, measure_all, prepare  # noqa: E402
from dsocr_symbolic.measurement.kernels import Timed, busy, check_idle, on_gpu, require_gpu  # noqa: E402
from dsocr_symbolic.measurement.operators import OPERATORS  # noqa: E402

X = TensorSpec(shape=(4, 6))
ROW = TensorSpec(shape=(6,), weight=True)
FP32 = TensorSpec(shape=(4, 6), dtype="fp32")
IDS = TensorSpec(shape=(8,), dtype="int64", values="index", below=4)
ORDER = TensorSpec(shape=(8,), dtype="int64", values="permutation")
MASK = TensorSpec(shape=(4, 6), dtype="bool", values="alternate")
HEADS = TensorSpec(shape=(1, 2, 5, 8), order=(0, 2, 1, 3))
IMAGE, FILTER = TensorSpec(shape=(1, 3, 8, 8)), TensorSpec(shape=(2, 3, 4, 4), weight=True)
GRID = TensorSpec(shape=(1, 2, 8, 8), dtype="fp32")
EIGHT = TensorSpec(shape=(8, 6))

CASES: dict[str, tuple[tuple[TensorSpec, ...], dict[str, int | float | str]]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "lt", "add_inplace", "multiply_inplace"), ((X, X), {})),
    "compiled_sum": ((X, X), {}),
    **dict.fromkeys(("add_scalar", "multiply_scalar", "neg", "square", "sqrt", "rsqrt", "cos", "sin"), ((X,), {})),
    **dict.fromkeys(
        ("sigmoid", "silu", "gelu", "quick_gelu", "widen", "to_int64", "contiguous", "to_host"), ((X,), {})
    ),
    **dict.fromkeys(("narrow", "cumsum"), ((FP32,), {})),
    **dict.fromkeys(("floor_divide", "eq", "integer_sum", "argsort", "compiled_sort"), ((IDS,), {})),
    **dict.fromkeys(("zeros", "full"), ((), {"elements": 5, "dtype": "fp32"})),
    "masked_fill": ((X, MASK), {}),
    "sum": ((X,), {"axis": 1}),
    "mean": ((X,), {"axis": -1, "keepdim": 1}),
    "layer_norm": ((X, ROW, ROW), {}),
    "softmax": ((X,), {"dtype": "fp32"}),
    "topk": ((FP32,), {"k": 2}),
    "compiled_norm": ((X, X, ROW), {}),
    "compiled_row_add": ((FP32, ORDER, TensorSpec(shape=(8,), dtype="fp32"), EIGHT), {}),
    "arange": ((), {"elements": 5}),
    "new_zeros": ((IDS,), {"columns": 3}),
    "pad_bottom_right": ((TensorSpec(shape=(1, 4, 4, 2)),), {"by": 2}),
    "cat": ((X, X, X), {"axis": 0}),
    "item": ((TensorSpec(shape=(1,)),), {}),
    "scatter_ones": (
        (TensorSpec(shape=(4, 6), dtype="int64", values="alternate"), attrs.evolve(IDS, shape=(4, 2))),
        {},
    ),
    "index_rows": ((X, IDS), {}),
    "embedding": ((IDS, attrs.evolve(X, weight=True)), {}),
    "index_put": ((EIGHT, ORDER, EIGHT), {}),
    "masked_put": ((EIGHT, attrs.evolve(MASK, shape=(8,)), X), {}),
    "masked_scatter": ((EIGHT, TensorSpec(shape=(8, 1), dtype="bool", values="alternate"), X), {}),
    "mm": ((X, attrs.evolve(X, weight=True)), {}),
    "addmm": ((X, TensorSpec(shape=(3, 6), weight=True), TensorSpec(shape=(3,), weight=True)), {}),
    "bmm": ((HEADS, TensorSpec(shape=(1, 2, 8, 5), order=(0, 3, 1, 2))), {}),
    "grouped_mm": ((TensorSpec(shape=(16, 8)), TensorSpec(shape=(2, 8, 8), weight=True)), {}),
    "sdpa": ((HEADS, HEADS, HEADS), {"causal": 1}),
    "sdpa_mask": ((HEADS, HEADS, HEADS, TensorSpec(shape=(1, 1, 5, 5), expand=(1, 2, 5, 5))), {}),
    "conv2d": ((IMAGE, FILTER, TensorSpec(shape=(2,), weight=True)), {"stride": 4, "padding": 0}),
    "bicubic": ((GRID,), {"size": 5, "antialias": 1}),
    "linear_resize": ((TensorSpec(shape=(1, 2, 7)),), {"size": 5}),
}
# What none of its results can be differentiated by.
WITHOUT_GRADIENT = {"lt", "to_int64", "floor_divide", "eq", "integer_sum", "argsort", "zeros", "full", "arange", "item"}
WITHOUT_GRADIENT |= {"new_zeros", "scatter_ones", "compiled_sort"}


def record(call: str, **changes: Any) -> Benchmark:
    tensors, settings = CASES[call]
    return Benchmark(name=f"a {call}", call=call, tensors=tensors, settings=settings, **changes)


def refused(function: Callable[[], object], *parts: str) -> None:
    with pytest.raises(UserError) as found:
        function()
    message = str(found.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_every_call_has_a_case() -> None:
    assert set(CASES) == set(OPERATORS)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_every_call_runs_warm_and_cold() -> None:
    records = [record(call, cold=cold) for call in OPERATORS for cold in (False, True)]
    said: list[str] = []
    found = measure_all(records, say=said.append, dry=True)
    assert [each for each, _ in found] == records
    assert all(times == kernels.Busy(seconds=0.0, least=0.0, kernels=()) for _, times in found)
    assert said[-1].startswith(f"{len(records)} of {len(records)} benchmarks")
    assert len(said) == -(-len(records) // kernels.AT_ONCE)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("call", sorted(set(OPERATORS) - WITHOUT_GRADIENT))
def test_calls_are_trained(call: str) -> None:
    benchmark = record(call, training=True, cold=True)
    timed = prepare(benchmark, "cpu")
    busy([timed], dry=True)
    gradients: Any = timed.call()
    trained = [spec for spec in benchmark.tensors if spec.dtype in {"bf16", "fp32"}]
    assert len(gradients) == len(trained)
    for gradient, spec in zip(gradients, trained, strict=True):
        assert gradient is None or gradient.shape == make_tensor(spec, "cpu").shape
    assert any(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("call", sorted(WITHOUT_GRADIENT))
def test_what_has_no_gradient_is_not_trained(call: str) -> None:
    refused(lambda: prepare(record(call, training=True), "cpu"), f"a {call}", "no gradient")


def test_a_backward_is_that_of_the_call() -> None:
    torch.manual_seed(0)
    gradient: Any = prepare(record("square", training=True), "cpu").call()
    torch.manual_seed(0)
    x, going_back = make_tensor(X, "cpu"), torch.randn(4, 6, dtype=torch.bfloat16)
    torch.testing.assert_close(gradient[0], 2 * x * going_back, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("spec", "shape", "strides"),
    [
        (TensorSpec(shape=(2, 3, 4)), (2, 3, 4), (12, 4, 1)),
        (TensorSpec(shape=(2, 3, 5, 4), order=(0, 2, 1, 3)), (2, 3, 5, 4), (60, 4, 12, 1)),
        (TensorSpec(shape=(1, 8, 9, 4), order=(0, 3, 1, 2)), (1, 8, 9, 4), (288, 9, 1, 72)),
        (TensorSpec(shape=(4, 10), order=(1, 0)), (4, 10), (1, 4)),
        (TensorSpec(shape=(4, 10), part=(1, 5, 10)), (4, 5), (10, 1)),
        (TensorSpec(shape=(3, 2, 4), order=(1, 0, 2), part=(0, 1, 2)), (1, 2, 4), (4, 12, 1)),
        (TensorSpec(shape=(1, 1, 4), expand=(2, 3, 4)), (2, 3, 4), (0, 0, 1)),
    ],
)
def test_layouts_are_those_asked_for(spec: TensorSpec, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    made = make_tensor(spec, "cpu")
    assert made.shape == shape
    assert made.stride() == strides


def test_values_are_those_asked_for() -> None:
    def made(**spec: Any) -> Tensor:
        return make_tensor(TensorSpec(shape=(40, 50), **spec), "cpu")

    assert made().dtype == torch.bfloat16
    assert made(dtype="fp32").std() == pytest.approx(1, abs=0.1)
    indices = made(dtype="int64", values="index", below=7)
    assert set(indices.flatten().tolist()) == set(range(7))
    assert made(dtype="int64", values="permutation").flatten().sort().values.tolist() == list(range(2000))
    assert made(dtype="bool", values="alternate").flatten().tolist() == [True, False] * 1000
    assert 800 < int(made(dtype="bool").sum()) < 1200


def test_weights_stay_cold_and_the_rest_is_rewritten() -> None:
    timed = prepare(record("mm", cold=True), "cpu")
    assert [tensor.shape for tensor in timed.hot] == [(4, 6)]
    assert prepare(record("mm"), "cpu").hot == ()
    expanded = prepare(record("sdpa_mask", cold=True), "cpu")
    assert [tensor.shape for tensor in expanded.hot][-1] == (1, 1, 5, 5)
    # The gradient that comes in was written just before, too.
    assert len(prepare(record("mm", cold=True, training=True), "cpu").hot) == 2


def test_mistakes_are_one_line_that_names_them() -> None:
    def measured(call: str = "neg", *tensors: TensorSpec, **settings: Any) -> Callable[[], object]:
        benchmark = Benchmark(name="odd", call=call, tensors=tensors, settings=settings)
        return lambda: measure_all([benchmark], say=print, dry=True)

    refused(measured("layernorm", X), "benchmark 'odd'", "unknown call 'layernorm'", "layer_norm")
    refused(measured("add", X), "takes 2 tensors, not 1")
    refused(measured("cat", axis=0), "takes 1 to 100 tensors, not 0")
    refused(measured("sum", X), "needs setting 'axis'")
    refused(measured("sum", X, axis=0, axes=1), "unknown setting 'axes'", "axis")
    refused(measured("sum", X, axis="last"), "setting 'axis' is 'last'", "integer")
    refused(measured("softmax", X, dtype="fp16"), "unknown dtype 'fp16'")
    for changes, part in (
        ({"dtype": "fp8"}, "unknown dtype 'fp8'"),
        ({"values": "normal"}, "unknown values 'normal'"),
        ({"order": (0, 0)}, "order (0, 0) is no permutation"),
        ({"part": (1, 4, 7)}, "part (1, 4, 7) is not within shape (4, 6)"),
        ({"part": (2, 0, 1)}, "part (2, 0, 1) is not within"),
        ({"shape": (4, -1)}, "negative size"),
        ({"dtype": "int64", "values": "index"}, "give below"),
        ({"dtype": "int64"}, "not drawn at random"),
    ):
        refused(measured("neg", attrs.evolve(X, **changes)), "benchmark 'odd', tensor 0: ", part)
    refused(measured("bmm", X, X), "benchmark 'odd': bmm failed (", "mend its record")
    refused(measured("neg", attrs.evolve(X, expand=(5, 6))), "benchmark 'odd': neg failed (")


def test_a_gpu_is_required_unless_dry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert require_gpu(dry=True).multiprocessors == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", require_gpu(dry=True).date)
    assert check_idle(dry=True) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not on_gpu()
    refused(require_gpu, "sees no CUDA GPU")
    refused(lambda: measure_all([record("neg")], say=print), "sees no CUDA GPU")


class Gpu:
    """Made-up records of a GPU whose first marker is lost in some sessions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *lossy: int) -> None:
        self.now, self.sessions, self.lossy = 0, 0, lossy
        self.done: list[cupti.Record] = []
        monkeypatch.setattr(torch, "ones", lambda shape, device: torch.zeros(shape))  # noqa: ARG005 - there is none
        monkeypatch.setattr(kernels, "COLD_BYTES", 64)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: self.does("Context Sync", 3))
        monkeypatch.setattr(kernels, "mark", lambda: self.does("spin_kernel(long)", 1))
        monkeypatch.setattr(kernels, "recorded", self.recorded)

    def does(self, name: str, duration: int) -> None:
        self.done.append((self.now, duration, name))
        self.now += duration

    def recorded(self, run: Callable[[], None]) -> list[cupti.Record]:
        self.sessions += 1
        self.done.clear()
        run()
        lost = next(each for each in self.done if "spin" in each[2]) if self.sessions in self.lossy else None
        return [each for each in reversed(self.done) if each != lost]


def test_kernels_between_markers_are_those_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch, 2)
    durations = iter(range(10**6))

    def growing() -> None:
        gpu.does("product", 2000)
        gpu.does("Memcpy DtoD (Device -> Device)", 100 * (next(durations) % 5))
        gpu.does("Activity Buffer Request", 5)

    def steady() -> None:
        gpu.does("add", 700)

    timed = [Timed(call=growing), Timed(call=steady, cold=True)]
    for sessions in (1, 4):
        # The second time the session of both loses a marker, and each has one of its own.
        first, second = busy(timed, calls=5, warm_ups=2)
        assert [kernel.name for kernel in first.kernels] == ["product", "Memcpy DtoD (Device -> Device)"]
        assert first.seconds == pytest.approx(2200e-9)
        assert first.least == pytest.approx(2000e-9)
        assert [kernel.name for kernel in second.kernels] == ["add"]
        assert second.seconds == pytest.approx(700e-9)
        assert gpu.sessions == sessions
    Gpu(monkeypatch, 1, 2, 3)
    refused(lambda: busy([Timed(call=steady)]), "lost some of 18 marker kernels, 3 times")


def test_the_hosts_layers_run_dry(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="the host's cost is measured on layers of transformers (extra 'verify')")
    from dsocr_symbolic.measurement import host
    from dsocr_symbolic.measurement.host import HostRounds, decoder
    from dsocr_symbolic.measurement.served.stacks import compiled_calls
    from dsocr_symbolic.measurement.streams import StreamWalls

    monkeypatch.setattr(host, "LAYERS", 2)
    monkeypatch.setattr(host, "VISION_TOKENS", 5)
    host_rounds = HostRounds(dry=True)
    refused(host_rounds.costs, "rounds is 0")
    host_rounds.take(2)
    costs = host_rounds.costs()
    plain, stacks = costs[:3], costs[3:]
    assert [cost.name for cost in plain] == ["decoder", "decoder_sdpa", "vision"]
    eager, fused, vision = (cost.launches for cost in plain)
    # Per layer: products of scores and values, softmax in fp32 and its cast, scale, mask against one operator.
    assert eager > fused > 2 * 30
    assert vision == 2 * 12
    assert [cost.name for cost in stacks] == list(compiled_calls("cpu", compiles=False))
    for cost in stacks:
        assert cost.launches == sum(cost.work[kind] for kind in ("kernel", "call", "between"))
    for cost in costs:
        assert cost.device_s == 0
        assert len(cost.wall_s) == 2
        assert cost.per_launch_s == pytest.approx(min(cost.wall_s) / cost.launches)
        assert cost.spread == pytest.approx(max(cost.wall_s) / min(cost.wall_s) - 1)
    assert {number for cost in StreamWalls(dry=True).costs() for number in attrs.astuple(cost)} == {0.0}
    stack = decoder("decoder", "eager", "cpu")
    lengths = []
    cache = inspect.getclosurevars(stack.reset).nonlocals["cache"]
    with torch.no_grad():
        for _ in range(2):
            stack.call()
            lengths.append(cache.get_seq_length())
            stack.reset()
    assert lengths == [65, 65]
