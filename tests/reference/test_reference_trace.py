"""Eager bytes, launches and FLOPs of the reference against the proven prototype, per aten operator."""
# ruff: noqa: E741, N803 - arguments are named as the anchors' symbols

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="the reference network needs torch (the rest of the package does not)")

from dsocr_symbolic.verification.reference.build import build  # noqa: E402
from dsocr_symbolic.verification.reference.config import DecoderConfig, OcrConfig  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2MoE, rows_over  # noqa: E402
from dsocr_symbolic.verification.reference.llama import KeyValueCache  # noqa: E402
from dsocr_symbolic.verification.reference.precision import cuda_autocast, fake_cuda  # noqa: E402
from dsocr_symbolic.verification.reference.trace import OperatorTrace  # noqa: E402

if TYPE_CHECKING:
    from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM

ANCHORS = Path(__file__).parents[1] / "anchors" / "prototype.json"
MANY_STEPS = 16
CROPS = 6
HEAVY = {"decode", "decoder", "image_encoder_vi_t", "vision", "prefill"}
EVERY = {True: 12, False: 5}
"""Of heavy layers each twelfth record is run, of others each fifth: the verification counts all of them anew."""
ALL = "DSOCR_ALL_ANCHORS"
"""Set this in the environment to run every record."""
Call = Callable[[], object]


def records() -> list[Any]:
    """Read the anchors, without sums of others, repetitions and what takes minutes."""
    if not ANCHORS.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{ANCHORS.name} is not in this checkout"))]
    kept: list[Any] = []
    seen: Counter[tuple[str, str]] = Counter()
    for record in json.loads(ANCHORS.read_text()):
        symbols, kind = record["symbols"], (record["layer"], record["choices"]["precision"])
        seen[kind] += 1
        if (seen[kind] - 1) % EVERY[record["layer"] in HEAVY] and ALL not in os.environ:
            continue
        # The other stages are the same for every number of steps; decode differs by context only.
        repeated = symbols.get("new_tokens", 0) > MANY_STEPS or (
            record["layer"] == "decode" and symbols["crops"] != CROPS
        )
        if record["layer"] == "total" or repeated:
            continue
        choices = record["choices"]
        name = f"{record['layer']}-{choices['attention']}-{choices['precision']}-{len(kept)}"
        kept.append(pytest.param(record, id=name))
    return kept


class Bench:
    """Networks of one precision, and the calls that the anchors describe."""

    def __init__(self, precision: str) -> None:
        self.autocast = precision == "autocast"
        self.device = "cuda" if self.autocast else "meta"
        self.mode = fake_cuda()
        with self.context():
            self.networks = {
                attention: build(OcrConfig(decoder=DecoderConfig(attention=attention)), device=self.device)
                for attention in ("flash", "eager")
            }

    def context(self) -> ExitStack:
        stack = ExitStack()
        if self.autocast:
            stack.enter_context(self.mode)
            stack.enter_context(cuda_autocast())
        stack.enter_context(torch.no_grad())
        return stack

    def empty(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.empty(*shape, dtype=dtype, device=self.device)

    def wide(self, *shape: int) -> torch.Tensor:
        """Make an input of the dtype that CLIP's residual stream has."""
        return self.empty(*shape, dtype=torch.float32 if self.autocast else torch.bfloat16)

    def ids(self, *shape: int) -> torch.Tensor:
        return self.empty(*shape, dtype=torch.int64)

    def cache(self, batch: int, past: int) -> KeyValueCache:
        cache = KeyValueCache()
        for layer in range(12 if past else 0):
            cache.update(layer, self.empty(batch, 10, past, 128), self.empty(batch, 10, past, 128))
        return cache

    def modules(self, record: dict[str, Any]) -> tuple[torch.nn.Module | None, Call]:
        """Return the module whose parameters a record counts, and the call."""
        network: DeepseekOCRForCausalLM = self.networks[record["choices"]["attention"]]
        hit = record["symbols"].get("hit")
        if hit is not None:
            route(network, hit)
        return getattr(self, record["layer"])(network, **record["symbols"])

    def image_encoder_vi_t(self, network: Any, *, B: int, s: int, **_: int) -> tuple[Any, Call]:
        x = self.empty(B, 3, s, s)
        return network.model.sam_model, lambda: network.model.sam_model(x)

    def vit_model(self, network: Any, *, B: int, q: int, D: int, **_: int) -> tuple[Any, Call]:
        x = self.empty(B, D, q, q)
        return network.model.vision_model, lambda: network.model.vision_model(x)

    def mlp_projector(self, network: Any, *, B: int, q: int, I: int, **_: int) -> tuple[Any, Call]:
        x = self.wide(B, q * q, I)
        return network.model.projector, lambda: network.model.projector(x)

    def block(self, network: Any, *, B: int, g: int, D: int, L: int, **_: int) -> tuple[Any, Call]:
        block, x = network.model.sam_model.blocks[2 if L == 127 else 0], self.empty(B, g, g, D)
        return block, lambda: block(x)

    def attention(self, network: Any, *, B: int, K: int, D: int, L: int, **_: int) -> tuple[Any, Call]:
        attention, x = network.model.sam_model.blocks[2 if L == 127 else 0].attn, self.empty(B, K, K, D)
        return attention, lambda: attention(x)

    def layer_norm_2d(self, network: Any, *, P: int, C: int) -> tuple[Any, Call]:
        # The cast back is the next convolution's, which the anchor counts here.
        norm, x = network.model.sam_model.neck[1], self.empty(1, C, P, 1)
        return norm, lambda: norm(x).to(torch.bfloat16)

    def mlp_block(self, network: Any, *, T: int, D: int, **_: int) -> tuple[Any, Call]:
        mlp, x = network.model.sam_model.blocks[0].mlp, self.empty(1, T, D)
        return mlp, lambda: mlp(x)

    def torch_layer_norm(self, network: Any, *, T: int, D: int, narrow: int) -> tuple[Any, Call]:
        sam, clip = network.model.sam_model, network.model.vision_model
        norm = sam.blocks[0].norm1 if D == 768 else clip.pre_layrnorm
        x = self.empty(T, D) if narrow else self.wide(T, D)
        return norm, lambda: norm(x)

    def no_tp_transformer_block(self, network: Any, *, B: int, T: int, D: int, **_: int) -> tuple[Any, Call]:
        block, x = network.model.vision_model.transformer.layers[0], self.wide(B, T, D)
        return block, lambda: block(x)

    def deepseek_v2_mlp(self, network: Any, *, T: int, D: int, F: int) -> tuple[Any, Call]:
        dense, routed = network.model.layers[0].mlp, network.model.layers[1].mlp
        mlp = {6848: dense, 1792: routed.shared_experts, 896: routed.experts[0]}[F]
        x = self.empty(1, T, D)
        return mlp, lambda: mlp(x)

    def deepseek_v2_moe(self, network: Any, *, T: int, D: int, **_: int) -> tuple[Any, Call]:
        moe, x = network.model.layers[1].mlp, self.empty(1, T, D)
        return moe, lambda: moe(x)

    def moe_gate(self, network: Any, *, T: int, D: int, **_: int) -> tuple[Any, Call]:
        gate, x = network.model.layers[1].mlp.gate, self.empty(T, D)
        return gate, lambda: gate(x)

    def deepseek_v2_rms_norm(self, network: Any, *, T: int, D: int) -> tuple[Any, Call]:
        x = self.empty(1, T, D)
        return network.model.norm, lambda: network.model.norm(x)

    def llama_rotary_embedding(self, network: Any, *, S: int, **_: int) -> tuple[Any, Call]:
        rotary, x, positions = network.model.layers[0].self_attn.rotary_emb, self.empty(1), self.ids(1, S)
        return rotary, lambda: rotary(x, positions)

    def llama_attention(self, network: Any, *, B: int, S: int, past: int, D: int, **_: int) -> tuple[Any, Call]:
        attention, x, positions = network.model.layers[0].self_attn, self.empty(B, S, D), self.ids(1, S)
        eager, mask = network.config.decoder.attention == "eager", self.empty(1, 1, S, S).expand(B, 1, S, S)
        cache = self.cache(B, past)
        return attention, lambda: attention(x, positions, mask if eager and S > 1 else None, cache)

    def decoder(self, network: Any, *, B: int, S: int, past: int, D: int, **_: int) -> tuple[Any, Call]:
        x, cache = self.empty(B, S, D), self.cache(B, past)
        layers = torch.nn.ModuleList([network.model.layers, network.model.norm])
        return layers, lambda: network.model(inputs_embeds=x, cache=cache)

    def lm_head(self, network: Any, *, T: int, D: int, **_: int) -> tuple[Any, Call]:
        x = self.empty(1, T, D)
        return network.lm_head, lambda: network.logits(x)

    def views(self, batch: int, base_size: int, image_size: int, crops: int) -> list[tuple[int, int]]:
        return batch * [(1, base_size), *([(crops, image_size)] if crops else [])]

    def vision(
        self, network: Any, *, batch: int, base_size: int, image_size: int, crops: int, **_: int
    ) -> tuple[Any, Call]:
        def call() -> None:
            for images, side in self.views(batch, base_size, image_size, crops):
                network.model.vision_model(network.model.sam_model(self.empty(images, 3, side, side)))

        return torch.nn.ModuleList([network.model.sam_model, network.model.vision_model]), call

    def projector(
        self, network: Any, *, batch: int, base_size: int, image_size: int, crops: int, **_: int
    ) -> tuple[Any, Call]:
        def call() -> None:
            for images, side in self.views(batch, base_size, image_size, crops):
                network.model.projector(self.wide(images, (side // 64) ** 2, 2048))

        return network.model.projector, call

    def text(self, network: Any) -> torch.nn.Module:
        model = network.model
        return torch.nn.ModuleList([model.embed_tokens, model.layers, model.norm, network.lm_head])

    def prefill(
        self, network: Any, *, batch: int, prompt_tokens: int, prefill_experts_hit: int, **_: int
    ) -> tuple[Any, Call]:
        route(network, prefill_experts_hit)
        ids = self.ids(batch, prompt_tokens)
        return self.text(network), lambda: network(ids, cache=KeyValueCache())

    def decode(
        self, network: Any, *, batch: int, prompt_tokens: int, new_tokens: int, decode_experts_hit: int, **_: int
    ) -> tuple[Any, Call]:
        route(network, decode_experts_hit)
        cache, ids = self.cache(batch, prompt_tokens), self.ids(batch, 1)

        def call() -> None:
            for _step in range(new_tokens):
                network(ids, cache=cache)

        return self.text(network), call


def route(network: torch.nn.Module, hit: int) -> None:
    for module in network.modules():
        if isinstance(module, DeepseekV2MoE):
            module.routing = rows_over(hit)


@pytest.fixture(scope="module")
def benches() -> dict[str, Bench]:
    return {precision: Bench(precision) for precision in ("bf16", "autocast")}


@pytest.mark.parametrize("record", records())
def test_trace_equals_the_prototype(benches: dict[str, Bench], record: dict[str, Any]) -> None:
    expected = record["expected"]
    bench = benches[record["choices"]["precision"]]
    with bench.context():
        module, call = bench.modules(record)
        with OperatorTrace() as trace:
            call()
    measured = {name: [traffic.io_bytes, traffic.launches] for name, traffic in trace.by_operator.items()}
    assert measured == expected["by_aten"]
    assert trace.total.io_bytes == expected["forward_io_bytes"]
    assert trace.total.launches == expected["operator_launches"]
    assert trace.total.tensor_core_flops == expected["forward_tensor_core_flops"]
    assert sum(parameter.numel() for parameter in module.parameters()) == expected["parameters"]


@pytest.fixture
def traced() -> Callable[[Call], OperatorTrace]:
    def run(call: Call) -> OperatorTrace:
        with torch.no_grad(), OperatorTrace() as trace:
            call()
        return trace

    return run


def test_views_and_allocations_are_free(traced: Callable[[Call], OperatorTrace]) -> None:
    x = torch.empty(4, 6)
    trace = traced(lambda: (x.view(24), x.t(), x.chunk(2), x.narrow(0, 0, 1), torch.empty_like(x), x.detach()))
    assert trace.total.launches == trace.total.io_bytes == 0


def test_expanded_dimensions_are_read_once(traced: Callable[[Call], OperatorTrace]) -> None:
    row = torch.ones(1, 6)
    total = traced(lambda: row.expand(4, 6) + torch.ones(4, 6, dtype=torch.float64)).by_operator["add"]
    assert (total.bytes_read, total.bytes_written) == (6 * 4 + 24 * 8, 24 * 8)


def test_gathers_read_only_what_they_return(traced: Callable[[Call], OperatorTrace]) -> None:
    table, places = torch.ones(1000, 8), torch.arange(5)
    for call in (lambda: table[places], lambda: torch.nn.functional.embedding(places, table)):
        total = traced(call).total
        assert (total.bytes_read, total.bytes_written) == (5 * 8 * 4 + 5 * 8, 5 * 8 * 4)


def test_scatters_write_only_what_they_are_given(traced: Callable[[Call], OperatorTrace]) -> None:
    rows, places = torch.ones(5, 8), torch.arange(5)

    def put() -> None:
        torch.empty(1000, 8)[places] = rows

    put_total = traced(put).total
    assert (put_total.bytes_read, put_total.bytes_written) == (5 * 8 + 5 * 8 * 4, 5 * 8 * 4)
    counts = torch.empty(3, 64, dtype=torch.int64)
    total = traced(lambda: counts.scatter_(1, torch.arange(6).view(3, 2), 1)).by_operator["scatter_"]
    assert (total.bytes_read, total.bytes_written) == (6 * 8, 6 * 8)


def test_overwriting_does_not_read_and_updating_does(traced: Callable[[Call], OperatorTrace]) -> None:
    x, y = torch.ones(10), torch.ones(10)
    assert traced(x.zero_).total.bytes_read == 0
    assert traced(lambda: x.copy_(y)).total.io_bytes == 80
    assert traced(lambda: x.mul_(y)).total.io_bytes == 120


def test_elements_are_counted_by_dtype_class(traced: Callable[[Call], OperatorTrace]) -> None:
    x = torch.ones(10)
    trace = traced(lambda: (x > 0).long() + 1)
    written: Counter[str] = sum((traffic.elements_written for traffic in trace.by_operator.values()), Counter())
    assert written == {"bool": 10, "int": 20}
    assert trace.total.elements_written == written
    assert trace.by_operator["gt"].elements_read == {"float": 10}


def test_modules_add_up_to_the_total() -> None:
    network = build()
    x = torch.empty(1, 3, 1280, dtype=torch.bfloat16, device="meta")
    with torch.no_grad(), OperatorTrace(network) as trace:
        network(inputs_embeds=x)
    assert trace.under("") == trace.total
    assert trace.under("model.layers.1.mlp.experts").launches == 5 * 18
    parts = [trace.under(f"model.layers.{layer}").io_bytes for layer in range(12)]
    outside = sum(traffic.io_bytes for traffic in trace.by_module["model"].values())
    assert sum(parts) + outside + trace.under("model.norm").io_bytes == trace.under("model").io_bytes
    assert not network._forward_hooks


def test_routing_does_not_change_flops_and_changes_launches() -> None:
    network = build()
    x = torch.empty(1, 20, 1280, dtype=torch.bfloat16, device="meta")
    totals = []
    for hit in (6, 64):
        route(network, hit)
        with torch.no_grad(), OperatorTrace() as trace:
            network.model(inputs_embeds=x)
        totals.append(trace.total)
    few, many = totals
    assert few.tensor_core_flops == many.tensor_core_flops
    assert many.launches - few.launches == 11 * 58 * 5


def test_autocast_ends_with_its_block() -> None:
    with cuda_autocast():
        assert torch.is_autocast_enabled("cuda")
    assert not torch.is_autocast_enabled("cuda")
