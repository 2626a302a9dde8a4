"""Real calls of the decoder's layers, and of the whole network."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from torch import Tensor, nn

from dsocr_symbolic.verification.calls.bench import Bench, Maker, Subject, on_one_tensor
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig
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


def _config(s: Settings, attention: Any = "flash", **more: Any) -> DecoderConfig:
    sizes = {name: s[name] for name in _SIZES if name in s}
    return DecoderConfig(**(sizes | {"attention": attention} | more))


def _cached(bench: Bench, s: Settings, owner: nn.Module, call: Callable[[KeyValueCache], Any], layers: int) -> Subject:
    """Make the subject of a call that grows a cache, whose first layers hold what is past."""
    cache = KeyValueCache()
    heads = s["num_attention_heads"]
    shape = (s["batch"], heads, s["past"], s["hidden_size"] // heads)
    for layer in range(layers if s["cached"] else 0):
        cache.update(layer, bench.empty(*shape), bench.empty(*shape))
    return Subject(owner=owner, call=lambda: call(cache), kv_bytes=lambda: cache.nbytes, cache=cache)


def _rotary(bench: Bench, s: Settings) -> Subject:
    """Build cosines and sines."""
    config = DecoderConfig(hidden_size=s["head_dim"], num_attention_heads=1)
    made = bench.module(lambda: LlamaRotaryEmbedding(config))
    like, positions = bench.empty(1), bench.empty(1, s["sequence"], size=8)
    return Subject(owner=made, call=lambda: made(like, positions))


def rotated(bench: Bench, s: Settings, tensors: int = 1) -> Subject:
    """Rotate one tensor, or queries and keys, by angles that all heads share."""
    made = [bench.empty(1, s["elements"] // s["angles"], 1, s["angles"]) for _ in range(tensors)]
    cos, sin = (bench.constant(1, 1, 1, s["angles"]) for _ in range(2))
    return Subject(owner=None, call=lambda: tuple(rotate(x, cos, sin) for x in made))


_ATTENTION: Mapping[str, Callable[[DecoderConfig, int], nn.Module]] = {
    "eager": LlamaAttention,
    "flash": LlamaFlashAttention2,
}


def _attention(bench: Bench, s: Settings, *, kind: str) -> Subject:
    """Call Llama's attention with one of its kernels."""
    made = bench.module(lambda: _ATTENTION[kind](_config(s, kind), 0))
    batch, tokens = s["batch"], s["sequence"]
    x, positions = bench.empty(batch, tokens, s["hidden_size"]), bench.empty(1, tokens, size=8)
    masked = kind == "eager" and tokens > 1
    mask = bench.constant(1, 1, tokens, s["past"] + tokens).expand(batch, -1, -1, -1) if masked else None
    return _cached(bench, s, made, lambda cache: made(x, positions, mask, cache), 1)


def _attend(bench: Bench, s: Settings, *, kind: str) -> Subject:
    """Call the kernel between the projections."""
    heads, width = s["heads"], s["head_dim"]
    config = DecoderConfig(hidden_size=heads * width, num_attention_heads=heads)
    made = bench.module(lambda: _ATTENTION[kind](config, 0))

    def tokens(count: int) -> Tensor:
        """Lay tokens out as projections leave them, heads together; a cache joins them head by head."""
        if s["sequence"] > 1 and count == s["sequence"]:
            return bench.empty(s["batch"], count, heads, width).transpose(1, 2)
        return bench.empty(s["batch"], heads, count, width)

    queries, keys, values = tokens(s["sequence"]), tokens(s["keys"]), tokens(s["keys"])
    masked = kind == "eager" and s["sequence"] > 1
    mask = bench.constant(1, 1, s["sequence"], s["keys"]) if masked else None
    return Subject(owner=None, call=lambda: made.attend(queries, keys, values, mask))


def _mask(bench: Bench, s: Settings) -> Subject:
    """Build the mask of an eager call of several queries."""
    # Whose dtype and place the mask takes; it reads nothing of it.
    like = Bench.empty(bench, 1, s["sequence"], 1)
    return Subject(owner=None, call=lambda: causal_mask(s["sequence"], s["past"], like))


def _decoder_layer(bench: Bench, s: Settings) -> Subject:
    """Call a decoder layer with experts."""
    config = _config(s, first_k_dense_replace=0)
    made = bench.module(lambda: DeepseekV2DecoderLayer(config, 0, rows_over(s["prefill_experts_hit"])))
    x, positions = bench.empty(s["batch"], s["sequence"], s["hidden_size"]), bench.empty(1, s["sequence"], size=8)
    return _cached(bench, s, made, lambda cache: made(x, positions, None, cache), 1)


def _language_model(bench: Bench, s: Settings, *, kind: str, head: bool) -> Subject:
    """Call the language model on tokens, with or without its head."""
    network = _network(bench, OcrConfig(decoder=_config(s, kind)), s["experts_hit"])
    inner = network.model
    ids = bench.empty(s["batch"], s["sequence"], size=8)
    owner = nn.ModuleList([inner.embed_tokens, inner.layers, inner.norm, *([network.lm_head] if head else [])])
    called: Any = network if head else inner
    return _cached(bench, s, owner, lambda cache: called(ids, cache=cache), s["num_hidden_layers"])


def _network(bench: Bench, config: OcrConfig, hit: int) -> DeepseekOCRForCausalLM:
    """Make a network in which every mixture of experts hits so many; one at published sizes takes a second, once."""
    published = config.decoder.vocab_size == DecoderConfig().vocab_size
    network = _kept(bench.precision, config) if published else _made(bench, config)
    for module in network.modules():
        if isinstance(module, DeepseekV2MoE):
            module.routing = rows_over(hit)
    return network


def _made(bench: Bench, config: OcrConfig) -> DeepseekOCRForCausalLM:
    made: DeepseekOCRForCausalLM = bench.module(lambda: DeepseekOCRForCausalLM(config))
    return made


@lru_cache(maxsize=4)
def _kept(precision: str, config: OcrConfig) -> DeepseekOCRForCausalLM:
    return _made(Bench(precision), config)


def _views(bench: Bench, s: Settings, rows: int) -> tuple[Views, Tensor, Tensor]:
    """Make the pixels of a page, the prompt's ids, and where among them its image stands."""
    columns, base, tile, tokens = s["crop_columns"], s["base_size"], s["image_size"], s["prompt_tokens"]
    crops = bench.constant(columns * rows, 3, tile, tile) if columns else None
    views = Views(bench.constant(1, 3, base, base), crops, max(columns, 1), max(rows, 1))
    return views, bench.empty(s["batch"], tokens, size=8), bench.empty(s["batch"], tokens, size=1)


def _page_config(s: Settings, attention: Any) -> OcrConfig:
    """Say how many layers of each kind the network has, as many as are published or so many; windowed blocks first."""
    if "num_hidden_layers" not in s:
        return OcrConfig(decoder=_config({}, attention))
    windowed, whole = s["sam_windowed_blocks"], s["sam_global_blocks"]
    return OcrConfig(
        sam=SamConfig(num_layers=windowed + whole, global_layers=tuple(range(windowed, windowed + whole))),
        clip=ClipConfig(num_layers=s["clip_layers"]),
        decoder=_config({"num_hidden_layers": s["num_hidden_layers"]}, attention),
    )


def _page(bench: Bench, s: Settings) -> Subject:
    """Call the whole network without its head on pages, after the sums that ask whether there are pixels."""
    network, batch = _network(bench, _page_config(s, "flash"), s["prefill_experts_hit"]), s["batch"]
    views, ids, mask = _views(bench, s, s["crops"] // max(s["crop_columns"], 1))
    summed = bench.constant(*views.whole.shape) if views.crops is None else views.crops
    cache = KeyValueCache()

    def call() -> Tensor:
        views.whole.sum()
        for _ in range(batch):
            summed.sum()
        hidden: Tensor = network.model(ids, cache=cache, images=[views] * batch, image_mask=mask)
        return hidden

    # The host's look at each sum needs a value, which tensors without values lack.
    without = ("item", "blank_item")
    return Subject(owner=network.model, call=call, kv_bytes=lambda: cache.nbytes, cache=cache, without=without)


def whole_prefill(bench: Bench, s: Settings, choices: Mapping[str, str]) -> Subject:
    """Call the network on pages with its head, at the positions and trained as chosen."""
    network = _network(bench, _page_config(s, choices["attention"]), s["prefill_experts_hit"])
    network.model.trains_encoder, batch = choices.get("train") == "all", s["batch"]
    views, ids, mask = _views(bench, s, s["crop_rows"])
    cache, last = KeyValueCache(), s["prompt_tokens"] - 1

    def call() -> Tensor:
        hidden = network.model(ids, cache=cache, images=[views] * batch, image_mask=mask)
        return network.logits(hidden if choices["logits"] == "all" else hidden.narrow(1, last, 1))

    return Subject(owner=network, call=call, cache=cache)


def _head(bench: Bench, s: Settings) -> Subject:
    """Call the head with its cast."""
    head = bench.module(lambda: nn.Linear(s["hidden_size"], s["vocab_size"], bias=False))
    x = bench.empty(1, s["tokens"], s["hidden_size"])
    return Subject(owner=head, call=lambda: head(x).float())


_X = (1, "tokens", "hidden_size")
DECODER: Mapping[str, Maker] = {
    "decoder/deepseek_v2_rms_norm": on_one_tensor(lambda s: DeepseekV2RMSNorm(s["hidden_size"]), *_X),
    "decoder/deepseek_v2_mlp": on_one_tensor(lambda s: DeepseekV2MLP(s["hidden_size"], s["intermediate_size"]), *_X),
    "decoder/moe_gate": on_one_tensor(lambda s: MoEGate(_config(s)), "tokens", "hidden_size"),
    "decoder/deepseek_v2_moe": on_one_tensor(lambda s: DeepseekV2MoE(_config(s), rows_over(s["experts_hit"])), *_X),
    "decoder/causal_mask": _mask,
    "decoder/deepseek_v2_decoder_layer": _decoder_layer,
    "decoder/deepseek_v2_model": partial(_language_model, kind="flash", head=False),
    "decoder/deepseek_v2_model eager": partial(_language_model, kind="eager", head=False),
    "decoder/lm_head": _head,
    "llama/llama_rotary_embedding": _rotary,
    "llama/rotate": rotated,
    "llama/apply_rotary_pos_emb": partial(rotated, tensors=2),
    "llama/llama_attention": partial(_attention, kind="eager"),
    "llama/llama_flash_attention2": partial(_attention, kind="flash"),
    "llama/attend_eager": partial(_attend, kind="eager"),
    "llama/attend_flash": partial(_attend, kind="flash"),
    "core/deepseek_ocr_model": _page,
    "core/language_model": partial(_language_model, kind="flash", head=True),
    "core/language_model eager": partial(_language_model, kind="eager", head=True),
}
