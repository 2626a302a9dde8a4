"""Parts of the network as calls, their attribution and their measuring, dry: on small sizes, on a CPU, untimed."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the reference network needs torch: pip install dsocr_symbolic[verify]")

from dsocr_symbolic.errors import UserError  # noqa: E402
from dsocr_symbolic.measurement import graphs, measure  # noqa: E402
from dsocr_symbolic.measurement.attribution import GRADIENT_SUM, attribute, summed  # noqa: E402
from dsocr_symbolic.measurement.components import COMPONENTS, Prepared, TimedCase, make  # noqa: E402
from dsocr_symbolic.measurement.events import Event, nest, read_events  # noqa: E402
from dsocr_symbolic.measurement.network import NetworkCache, tiny_config  # noqa: E402
from dsocr_symbolic.verification.reference import clip  # noqa: E402
from dsocr_symbolic.verification.reference.llama import LlamaAttention, LlamaFlashAttention2  # noqa: E402

SIZES = {"batch": 2, "image_size": 128, "feature_grid": 2, "sequence": 7, "past": 5, "tokens": 3}
SHAPES = {
    "sam": (2, 16, 2, 2),
    "clip": (2, 5, 16),
    "projector": (2, 4, 16),
    "prefill": (2, 7, 16),
    "decoder_layers": (2, 7, 16),
    "decode": (2, 1, 16),
    "head": (1, 3, 32),
}
TRAINED = [name for name in COMPONENTS if name != "decode"]


@pytest.fixture(scope="module")
def cache() -> NetworkCache:
    return NetworkCache(device="cpu", config=tiny_config())


def case(component: str, mode: str = "eager", **choices: str) -> TimedCase:
    settings = {name: SIZES[name] for name in COMPONENTS[component]}
    return TimedCase(component=component, mode=mode, settings=settings, choices=choices)


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_runs_forward(cache: NetworkCache, component: str) -> None:
    prepared = make(case(component), cache)
    prepared.before()
    out: Any = prepared.call()
    assert out.shape == SHAPES[component]
    assert not out.requires_grad
    assert bool(out.isfinite().all())
    hits = prepared.experts_hit()
    assert len(hits) == (1 if component in {"prefill", "decoder_layers", "decode"} else 0)
    assert all(0 < hit <= 8 for hit in hits)


@pytest.mark.parametrize("component", TRAINED)
def test_backward_makes_gradients_from_nothing_each_time(cache: NetworkCache, component: str) -> None:
    prepared = make(case(component, "backward"), cache)
    (module,) = prepared.modules.values()
    found = []
    for call in (prepared.call, prepared.call, prepared.whole):
        prepared.before()
        assert all(parameter.grad is None for parameter in module.parameters())
        call()
        found.append({name: each.grad.clone() for name, each in module.named_parameters() if each.grad is not None})
    assert found[0]
    assert found[0].keys() == found[1].keys() == found[2].keys()
    for name, gradient in found[0].items():
        assert torch.equal(gradient, found[1][name])
    prepared.before()


def test_every_weight_has_values(cache: NetworkCache) -> None:
    assert all(bool(parameter.any()) for parameter in cache.network().parameters())


def test_decode_begins_with_the_same_cache(cache: NetworkCache, monkeypatch: pytest.MonkeyPatch) -> None:
    pasts = []
    forward = type(cache.network().model).forward

    def watched(self: Any, *args: Any, **given: Any) -> Any:
        pasts.append(given["cache"].tokens)
        out = forward(self, *args, **given)
        pasts.append(given["cache"].tokens)
        return out

    monkeypatch.setattr(type(cache.network().model), "forward", watched)
    prepared = make(case("decode"), cache)
    outs: list[Any] = []
    for _ in range(2):
        prepared.before()
        outs.append(prepared.call())
    assert pasts == [5, 6, 5, 6]
    assert torch.equal(*outs)


def test_attention_is_chosen_case_by_case(cache: NetworkCache) -> None:
    flash, eager = make(case("prefill"), cache), make(case("prefill", attention="eager"), cache)
    outs: list[Any] = []
    for prepared, kind in ((flash, LlamaFlashAttention2), (eager, LlamaAttention), (flash, LlamaFlashAttention2)):
        prepared.before()
        outs.append(prepared.call())
        assert {type(layer.self_attn) for layer in cache.network().model.layers} == {kind}
    assert torch.equal(outs[0], outs[2])
    assert torch.allclose(outs[0], outs[1], atol=0.1)


def test_clip_runs_a_script_and_leaves_the_reference_alone(cache: NetworkCache) -> None:
    plain, seen = clip.quick_gelu, []
    prepared = make(case("clip"), cache)
    hook = cache.network().model.vision_model.register_forward_hook(lambda *_: seen.append(clip.quick_gelu))
    try:
        prepared.call()
    finally:
        hook.remove()
    assert isinstance(seen[0], torch.jit.ScriptFunction)
    assert clip.quick_gelu is plain
    x = torch.linspace(-3, 3, 7)
    assert torch.allclose(seen[0](x), plain(x))
    # The next case of other shapes compiles anew, the same case does not.
    assert cache.quick_gelu(case("clip").label) is seen[0]
    assert cache.quick_gelu("another") is not seen[0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (TimedCase(component="sma", settings={}), "did you mean sam?"),
        (TimedCase(component="sam", settings={"batch": 1}), "no value for image_size"),
        (TimedCase(component="head", settings={"tokens": 0}), "at least 1"),
        (
            TimedCase(component="head", settings={"tokens": 1}, choices={"attention": "flash"}),
            "unknown choice 'attention'",
        ),
        (TimedCase(component="decode", mode="backward", settings={"batch": 1, "past": 1}), "measure prefill"),
        (
            TimedCase(component="prefill", settings={"batch": 1, "sequence": 1}, choices={"attention": "x"}),
            "attention 'x'",
        ),
    ],
)
def test_wrong_cases_are_refused_in_one_line(cache: NetworkCache, wrong: TimedCase, said: str) -> None:
    with pytest.raises(UserError, match="measured case") as caught:
        make(wrong, cache)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_operators_belong_to_their_innermost_module(cache: NetworkCache) -> None:
    def places(component: str) -> set[tuple[str, str]]:
        prepared = make(case(component), cache)
        prepared.before()
        prepared.call()
        return {(each.module, each.operator) for each in attribute(prepared.whole, prepared.modules, dry=True)}

    prefill = places("prefill")
    assert {
        ("DeepseekOCRModel", "embedding"),
        ("DeepseekV2RMSNorm", "rsqrt"),
        ("LlamaFlashAttention2", "mm"),
        ("LlamaFlashAttention2", "scaled_dot_product_attention"),
        ("LlamaRotaryEmbedding", "bmm"),
        ("MoEGate", "topk"),
        ("DeepseekV2MoE", "sort"),
        ("DeepseekV2MLP", "silu"),
    } <= prefill
    assert "" not in {module for module, _ in prefill}
    assert ("NoTPFeedForward", "sigmoid") in places("clip")
    assert ("DeepseekOCRModel", "cat") in places("projector")
    assert ("DeepseekOCRForCausalLM", "mm") in places("head")


def test_a_backward_kernel_belongs_to_its_node_and_to_the_module_of_its_forward(cache: NetworkCache) -> None:
    prepared = make(case("prefill", "backward"), cache)
    prepared.before()
    found = {
        (each.module, each.operator) for each in attribute(prepared.whole, prepared.modules, backward=True, dry=True)
    }
    assert {
        ("DeepseekV2RMSNorm", "RsqrtBackward0"),
        ("DeepseekV2MLP", "SiluBackward0"),
        ("DeepseekV2MLP", "MmBackward0"),
        ("DeepseekV2MoE", "IndexPutBackward0"),
        ("MoEGate", "TopkBackward0"),
        ("DeepseekV2RMSNorm", GRADIENT_SUM),
        ("LlamaFlashAttention2", "MmBackward0"),
        ("DeepseekOCRModel", "EmbeddingBackward0"),
    } <= found
    assert not any(operator.startswith("aten::") for _, operator in found)
    prepared.before()


def test_kernels_that_no_operator_launched_are_kept() -> None:
    long = "gemm<" + "x" * 99
    block, linear = Event(name="dsocr::Block", start=0, end=99), Event(name="aten::linear", start=1, end=90)
    gemm = Event(name=f"void at::native::{long}", start=60, end=3060, on_device=True, linked=True)
    product = Event(name="aten::addmm", start=2, end=80, kernels=[gemm.kernel])
    other = Event(name="aten::add", start=5, end=6, thread=1)
    nest([block, linear, product, other])
    assert [each.parent for each in (block, linear, product, other)] == [None, block, linear, None]
    assert [each.leaf for each in (block, linear, product, other)] == [False, False, True, True]
    mirror = Event(name="dsocr::Block", start=60, end=5060, on_device=True)
    noise = Event(name="Buffer Flush", start=60, end=5060, on_device=True)
    alone = Event(name="fused", start=4000, end=6000, on_device=True)
    found = summed([block, linear, product, gemm, mirror, noise, alone])
    assert [(each.module, each.operator, each.kernels) for each in found] == [
        ("Block", "addmm", 1),
        ("", "", 1),
    ]
    assert [each.seconds for each in found] == pytest.approx([3e-6, 2e-6])
    assert found[0].names == (long[:80],)


class Recorded:
    """One event as the profiler hands it out."""

    def __init__(self, name: str, start: int, duration: int, **given: Any) -> None:
        self.said = {"name": name, "start_ns": start, "duration_ns": duration, "start_thread_id": 1, "is_async": False}
        self.said |= {"device_type": "DeviceType.CPU", "correlation_id": 0, "linked_correlation_id": 0}
        self.said |= {"sequence_nr": -1} | given

    def __getattr__(self, name: str) -> Any:
        said = self.__dict__["said"][name]
        return lambda: said


def test_kernels_belong_to_the_operator_that_the_profiler_links() -> None:
    gpu = {"device_type": "DeviceType.CUDA"}
    records = [
        Recorded("dsocr::Block", 0, 100, correlation_id=1),
        Recorded("aten::linear", 1, 90, correlation_id=2),
        Recorded("aten::addmm", 2, 80, correlation_id=3),
        Recorded("cudaLaunchKernel", 3, 5, correlation_id=70, linked_correlation_id=3),
        # Its number is an operator's as well.
        Recorded("cudaDeviceSynchronize", 95, 5, correlation_id=3),
        Recorded("gemm", 50, 1000, correlation_id=70, linked_correlation_id=3, **gpu),
        Recorded("splitk", 1050, 500, correlation_id=71, linked_correlation_id=3, **gpu),
        Recorded("dsocr::Block", 50, 1500, correlation_id=1, linked_correlation_id=1, **gpu),
        Recorded("fused", 1600, 10, correlation_id=72, **gpu),
    ]
    results = SimpleNamespace(events=lambda: records)
    events = read_events(SimpleNamespace(profiler=SimpleNamespace(kineto_results=results)))
    assert not any(each.name.startswith("cuda") for each in events)
    found = summed(events, root="Network")
    assert [(each.module, each.operator, each.names) for each in found] == [
        ("Block", "addmm", ("gemm", "splitk")),
        ("", "", ("fused",)),
    ]
    assert [each.seconds for each in found] == pytest.approx([1.5e-6, 1e-8])


def run(cases: list[TimedCase], **given: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    said: list[str] = []
    saved: list[str] = []
    found = measure.measure_cases(
        cases, say=said.append, save=lambda data: saved.append(json.dumps(data)), dry=True, **given
    )
    return found, said, saved


def test_a_dry_measurement_has_what_a_real_one_has() -> None:
    cases = [
        case("sam"),
        case("clip", "graph"),
        case("decode", attention="eager"),
        TimedCase(component="prefill", settings={"batch": 1, "sequence": 2048}),
        case("decoder_layers", "backward"),
    ]
    found, said, saved = run(cases, rounds=2)
    assert json.loads(saved[-1]) == found
    # One after each case, one after each round, and the last.
    assert len(saved) == len(cases) + 2 + 1
    assert len(said) == len(cases) + 2
    assert list(found) == ["schema", "machine", "rounds", "dry", "left_out", "cases"]
    assert found["schema"] == "dsocr measured 1"
    assert set(found["machine"]) == {"gpu", "torch", "cuda", "driver", "multiprocessors", "date"}
    assert found["left_out"] == []
    keys = {"component", "mode", "settings", "choices", "device_s", "device_least_s", "kernels", "wall_s"}
    keys |= {"experts_hit", "peak_bytes", "operators"}
    for each, asked in zip(found["cases"], cases, strict=True):
        assert set(each) == keys
        assert (each["component"], each["mode"], each["settings"]) == (asked.component, asked.mode, asked.settings)
        assert len(each["wall_s"]) == 2
        assert all(wall > 0 for wall in each["wall_s"])
        assert bool(each["operators"]) == (asked.mode != "graph")
    assert set(found["cases"][0]["operators"][0]) == {"module", "operator", "seconds", "kernels", "names"}
    assert [len(each["experts_hit"]) for each in found["cases"]] == [0, 0, 1, 1, 1]


def test_a_case_that_fails_says_why_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real = make

    def fails(asked: TimedCase, cache: NetworkCache) -> Any:
        if asked.component == "head":
            raise RuntimeError("\nCUDA error: no such size\nCompile with this and that")
        return real(asked, cache)

    monkeypatch.setattr(measure, "make", fails)
    found, _, _ = run([case("head"), case("projector")], rounds=1)
    assert found["cases"][0]["error"] == "RuntimeError: CUDA error: no such size"
    assert found["cases"][0]["wall_s"] == []
    assert "error" not in found["cases"][1]
    assert len(found["cases"][1]["wall_s"]) == 1


def test_nothing_begins_when_time_is_up() -> None:
    found, said, _ = run([case("head"), case("projector")], budget=0.0)
    assert [case["wall_s"] for case in found["cases"]] == [[], []]
    assert found["left_out"] == [
        "round 1 of 7 from its case 1 on: no time left",
        "head eager tokens=3: no time left",
        "projector eager batch=2 feature_grid=2: no time left",
    ]
    assert [line for line in said if line.startswith("left out: ")]


def test_rounds_differ_in_order_and_repeat_with_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def orders(seed: int) -> list[str]:
        seen: list[str] = []

        def wall(_: Any, asked: TimedCase) -> float:
            seen.append(asked.component)
            return 1.0

        monkeypatch.setattr(measure, "_wall", wall)
        run([case(name) for name in ("head", "projector", "clip", "sam")], rounds=3, seed=seed)
        return seen

    first = orders(1)
    assert first == orders(1)
    assert len({tuple(first[start : start + 4]) for start in (0, 4, 8)}) > 1


@pytest.mark.parametrize(
    ("raised", "said"),
    [("called a synchronizing CUDA operation", "its host waits for the GPU"), ("out of memory", "out of memory")],
)
def test_a_call_that_waits_is_not_captured(monkeypatch: pytest.MonkeyPatch, raised: str, said: str) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def call() -> None:
        assert modes == ["error"]
        raise RuntimeError(raised)

    prepared = Prepared(call=call, before=lambda: None, whole=call, modules={}, experts_hit=list)
    with pytest.raises((UserError, RuntimeError), match=said):
        graphs._call_without_waits(prepared)
    assert modes == ["error", "default"]
