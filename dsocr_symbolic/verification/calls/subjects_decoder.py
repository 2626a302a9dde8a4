"""Real calls of the decoder's layers, and of the whole network."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.reference.config import DecoderConfig, OcrConfig
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views
from dsocr_symbolic.verification.reference.deepseek_v2 import (
    DeepseekV2DecoderLayer,
    DeepseekV2MLP,
    DeepseekV2MoE,
    DeepseekV2RMSNorm,
    MoEGate,
    rows_over,
)
from dsocr_symbolic.verification.reference.llama import (
    KeyValueCache,
    LlamaAttention,
    LlamaFlashAttention2,
    LlamaRotaryEmbedding,
    causal_mask,
    rotate,
)

Settings = Mapping[str, Any]


_SIZES = {
    *("hidden_size", "intermediate_size", "moe_intermediate_size", "n_routed_experts", "n_shared_experts"),
    *("num_experts_per_tok", "num_attention_heads", "num_hidden_layers", "first_k_dense_replace", "vocab_size"),
}


def _config(s: Settings, attention: str = "flash", **more: Any) -> DecoderConfig:
    sizes = {name: s[name] for name in _SIZES if name in s}
    return DecoderConfig(**(sizes | {"attention": attention} | more))


def _cache(bench: Bench, s: Settings, layers: int) -> KeyValueCache:
    cache = KeyValueCache()
    heads = s["num_attention_heads"]
    shape = (s["batch"], heads, s["past"], s["hidden_size"] // heads)
    for layer in range(layers if s["cached"] else 0):
        cache.update(layer, bench.empty(*shape), bench.empty(*shape))
    return cache


def _cached(owner: nn.Module, call: Callable[[], Any], cache: KeyValueCache, **more: Any) -> Subject:
    """Make the subject of a call that grows a cache."""
    return Subject(owner=owner, call=call, kv_bytes=lambda: cache.nbytes, cache=cache, **more)


def rms_norm(bench: Bench, s: Settings) -> Subject:
    """Call the decoder's norm."""
    made = bench.module(lambda: DeepseekV2RMSNorm(s["hidden_size"]))
    x = bench.empty(1, s["tokens"], s["hidden_size"])
    return Subject(owner=made, call=lambda: made(x))


def mlp(bench: Bench, s: Settings) -> Subject:
    """Call the gated feed-forward."""
    made = bench.module(lambda: DeepseekV2MLP(s["hidden_size"], s["intermediate_size"]))
    x = bench.empty(1, s["tokens"], s["hidden_size"])
    return Subject(owner=made, call=lambda: made(x))


def gate(bench: Bench, s: Settings) -> Subject:
    """Call the router."""
    made = bench.module(lambda: MoEGate(_config(s)))
    x = bench.empty(s["tokens"], s["hidden_size"])
    return Subject(owner=made, call=lambda: made(x))


def moe(bench: Bench, s: Settings) -> Subject:
    """Call routed and shared experts."""
    made = bench.module(lambda: DeepseekV2MoE(_config(s), rows_over(s["experts_hit"])))
    x = bench.empty(1, s["tokens"], s["hidden_size"])
    return Subject(owner=made, call=lambda: made(x))


def rotary(bench: Bench, s: Settings) -> Subject:
    """Build cosines and sines."""
    config = DecoderConfig(hidden_size=s["head_dim"], num_attention_heads=1)
    made = bench.module(lambda: LlamaRotaryEmbedding(config))
    like, positions = bench.empty(1), bench.empty(1, s["sequence"], size=8)
    return Subject(owner=made, call=lambda: made(like, positions))


def rotated(bench: Bench, s: Settings) -> Subject:
    """Rotate one tensor, whose heads share the angles."""
    heads = s["elements"] // s["angles"]
    x = bench.empty(1, heads, 1, s["angles"])
    cos, sin = (bench.constant(1, 1, 1, s["angles"]) for _ in range(2))
    return Subject(owner=None, call=lambda: rotate(x, cos, sin))


def attention(kind: str) -> Callable[[Bench, Settings], Subject]:
    """Call Llama's attention with one of its kernels."""

    def make(bench: Bench, s: Settings) -> Subject:
        which = LlamaAttention if kind == "eager" else LlamaFlashAttention2
        made = bench.module(lambda: which(_config(s, kind), 0))
        batch, tokens = s["batch"], s["sequence"]
        x, positions = bench.empty(batch, tokens, s["hidden_size"]), bench.empty(1, tokens, size=8)
        masked = kind == "eager" and tokens > 1
        mask = bench.constant(1, 1, tokens, s["past"] + tokens).expand(batch, -1, -1, -1) if masked else None
        cache = _cache(bench, s, 1)
        return _cached(made, lambda: made(x, positions, mask, cache), cache)

    return make


def attend(kind: str) -> Callable[[Bench, Settings], Subject]:
    """Call the kernel between the projections."""

    def make(bench: Bench, s: Settings) -> Subject:
        which = LlamaAttention if kind == "eager" else LlamaFlashAttention2
        heads, width = s["heads"], s["head_dim"]
        config = DecoderConfig(hidden_size=heads * width, num_attention_heads=heads)
        made: Any = bench.module(lambda: which(config, 0))

        def tokens(count: int) -> Any:
            """Lay tokens out as projections leave them, heads together; a cache joins them head by head."""
            if s["sequence"] > 1:
                return bench.empty(s["batch"], count, heads, width).transpose(1, 2)
            return bench.empty(s["batch"], heads, count, width)

        queries, keys, values = tokens(s["sequence"]), tokens(s["keys"]), tokens(s["keys"])
        masked = kind == "eager" and s["sequence"] > 1
        mask = bench.constant(1, 1, s["sequence"], s["keys"]) if masked else None
        return Subject(owner=None, call=lambda: made.attend(queries, keys, values, mask))

    return make


def mask(bench: Bench, s: Settings) -> Subject:
    """Build the mask of an eager prefill."""
    like = bench.empty(1, s["sequence"], 1)
    return Subject(owner=None, call=lambda: causal_mask(s["sequence"], 0, like))


def decoder_layer(bench: Bench, s: Settings) -> Subject:
    """Call a decoder layer with experts."""
    config = _config(s, s.get("kind", "flash"), first_k_dense_replace=0)
    made = bench.module(lambda: DeepseekV2DecoderLayer(config, 0, rows_over(s["prefill_experts_hit"])))
    batch, tokens = s["batch"], s["sequence"]
    x, positions, cache = (
        bench.empty(batch, tokens, s["hidden_size"]),
        bench.empty(1, tokens, size=8),
        _cache(bench, s, 1),
    )
    return _cached(made, lambda: made(x, positions, None, cache), cache)


def _network(bench: Bench, s: Settings, kind: str) -> DeepseekOCRForCausalLM:
    if s["vocab_size"] == DecoderConfig().vocab_size:
        network = _published(bench.device, kind)
        route(network, s["experts_hit"])
        return network
    config = OcrConfig(decoder=_config(s, kind))
    made = bench.module(lambda: DeepseekOCRForCausalLM(config, rows_over(s["experts_hit"])))
    assert isinstance(made, DeepseekOCRForCausalLM)  # noqa: S101 - what was just made
    return made


def model(kind: str) -> Callable[[Bench, Settings], Subject]:
    """Call the language model without its head, on tokens."""

    def make(bench: Bench, s: Settings) -> Subject:
        network = _network(bench, s, kind)
        inner = network.model
        ids = bench.empty(s["batch"], s["sequence"], size=8)
        cache = _cache(bench, s, s["num_hidden_layers"])
        owner = nn.ModuleList([inner.embed_tokens, inner.layers, inner.norm])
        return _cached(owner, lambda: inner(ids, cache=cache), cache)

    return make


def language_model(kind: str) -> Callable[[Bench, Settings], Subject]:
    """Call the language model with its head."""

    def make(bench: Bench, s: Settings) -> Subject:
        network = _network(bench, s, kind)
        inner = network.model
        ids = bench.empty(s["batch"], s["sequence"], size=8)
        cache = _cache(bench, s, s["num_hidden_layers"])
        owner = nn.ModuleList([inner.embed_tokens, inner.layers, inner.norm, network.lm_head])
        return _cached(owner, lambda: network(ids, cache=cache), cache)

    return make


@lru_cache(maxsize=2)
def _published(device: str, attention: Any) -> DeepseekOCRForCausalLM:
    """Make the network at its own sizes once; its 704 experts take a second."""
    bench = Bench("autocast" if device == "cuda" else "plain")
    made = bench.module(lambda: DeepseekOCRForCausalLM(OcrConfig(decoder=DecoderConfig(attention=attention))))
    assert isinstance(made, DeepseekOCRForCausalLM)  # noqa: S101 - what was just made
    return made


def route(network: nn.Module, hit: int) -> None:
    """Let every mixture of experts hit so many."""
    for module in network.modules():
        if isinstance(module, DeepseekV2MoE):
            module.routing = rows_over(hit)


def page(bench: Bench, s: Settings) -> Subject:
    """Call the whole network without its head on pages, after the sums that ask whether there are pixels."""
    network = _published(bench.device, "flash")
    route(network, s["prefill_experts_hit"])
    base, tile, crops, columns = s["base_size"], s["image_size"], s["crops"], s["crop_columns"]
    parts = bench.constant(crops, 3, tile, tile) if crops else None
    whole, batch = bench.constant(1, 3, base, base), s["batch"]
    views = Views(whole, parts, max(columns, 1), crops // max(columns, 1) or 1)
    ids = bench.empty(batch, s["prompt_tokens"], size=8)
    mask = bench.empty(batch, s["prompt_tokens"], size=1)
    summed = bench.constant(1, 3, base, base) if parts is None else parts
    cache = KeyValueCache()

    def call() -> Tensor:
        whole.sum()
        for _ in range(batch):
            summed.sum()
        hidden: Tensor = network.model(ids, cache=cache, images=[views] * batch, image_mask=mask)
        return hidden

    # The host's look at each sum needs a value, which tensors without values lack.
    return _cached(network.model, call, cache, without=("item", "blank_item"))


def lm_head(bench: Bench, s: Settings) -> Subject:
    """Call the head with its cast."""
    head = bench.module(lambda: nn.Linear(s["hidden_size"], s["vocab_size"], bias=False))
    x = bench.empty(1, s["tokens"], s["hidden_size"])
    return Subject(owner=head, call=lambda: head(x).float())


DECODER: Mapping[str, Callable[[Bench, Settings], Subject]] = {
    "decoder/deepseek_v2_rms_norm": rms_norm,
    "decoder/deepseek_v2_mlp": mlp,
    "decoder/moe_gate": gate,
    "decoder/deepseek_v2_moe": moe,
    "decoder/causal_mask": mask,
    "decoder/deepseek_v2_decoder_layer": decoder_layer,
    "decoder/deepseek_v2_model": model("flash"),
    "decoder/deepseek_v2_model eager": model("eager"),
    "decoder/lm_head": lm_head,
    "llama/llama_rotary_embedding": rotary,
    "llama/rotate": rotated,
    "llama/llama_attention": attention("eager"),
    "llama/llama_flash_attention2": attention("flash"),
    "llama/attend_eager": attend("eager"),
    "llama/attend_flash": attend("flash"),
    "core/deepseek_ocr_model": page,
    "core/language_model": language_model("flash"),
    "core/language_model eager": language_model("eager"),
}
