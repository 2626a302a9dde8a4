"""Formulas of a server's layers count what the served decoder launches on the meta device, to the last byte."""

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.verification.calls.bench import Subject
from dsocr_symbolic.verification.calls.comparison import Counted, compare
from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.deepseek_v2 import rows_over
from dsocr_symbolic.verification.reference.trace import OperatorTrace
from dsocr_symbolic.verification.served.decoder import ServedDecoder, step_places
from dsocr_symbolic.verification.served.pages import new_pages
from dsocr_symbolic.verification.served.weights import build_served

SERVED = {"experts": "grouped", "cache": "paged", "logits": "last"}
_SIZES = ("vocab_size", "hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size")
_EXPERTS = ("moe_intermediate_size", "n_shared_experts", "n_routed_experts", "num_experts_per_tok")


@st.composite
def networks(draw: st.DrawFn) -> DecoderConfig:
    """Draw decoders of any widths; a grouped product wants rows of 16 bytes."""
    heads, half = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    experts = draw(st.integers(3, 9))
    return DecoderConfig(
        vocab_size=draw(st.integers(5, 60)),
        hidden_size=8 * heads * half,
        num_attention_heads=heads,
        intermediate_size=draw(st.integers(1, 40)),
        moe_intermediate_size=8 * draw(st.integers(1, 4)),
        num_hidden_layers=draw(st.integers(2, 4)),
        n_routed_experts=experts,
        n_shared_experts=draw(st.integers(1, 3)),
        num_experts_per_tok=draw(st.integers(1, experts - 1)),
    )


def _decoder(config: DecoderConfig, hit: int) -> ServedDecoder:
    return build_served(config, routing=rows_over(hit), positions=64)


def _numbers(config: DecoderConfig, *names: str) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def _differences(layer: str, given: dict[str, Any], trace: OperatorTrace, owner: Any, kv_bytes: int = -1) -> Any:
    """Return what differs between a formula and a trace: metrics, and bytes and launches by operator."""
    total, parameters = trace.total, Subject(owner=owner, call=lambda: None).parameters
    metrics = {
        "forward_tensor_core_flops": total.tensor_core_flops,
        "forward_cuda_core_flops": total.cuda_core_flops,
        "forward_io_bytes": total.io_bytes,
        "operator_launches": total.launches,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "forward_weight_bytes": sum(parameter.nbytes for parameter in parameters),
    } | ({"forward_kv_cache_bytes": kv_bytes} if kv_bytes >= 0 else {})
    by_aten = {name: (traffic.io_bytes, traffic.launches) for name, traffic in trace.by_operator.items()}
    counted = Counted(source="served", layer=layer, settings=given, choices=SERVED, metrics=metrics, by_aten=by_aten)
    return compare(counted).differences


def _hit(config: DecoderConfig, tokens: int) -> int:
    return min(config.n_routed_experts, max(config.num_experts_per_tok, tokens * config.num_experts_per_tok - 1))


@settings(max_examples=15, deadline=None)
@given(networks(), st.integers(1, 5), st.integers(1, 6), st.integers(0, 30))
def test_a_step_of_the_decoder_is_counted_to_the_last_byte(
    config: DecoderConfig, batch: int, tokens: int, past: int
) -> None:
    hit = _hit(config, batch * tokens)
    decoder = _decoder(config, hit)
    pages = new_pages(config, requests=batch, tokens=past + tokens, page_tokens=1, device="meta", dtype=torch.bfloat16)
    ids = torch.empty(batch, tokens, dtype=torch.int64, device="meta")
    places = step_places(pages[0], ids, past)
    with OperatorTrace() as trace:
        decoder(ids, pages, past, places=places)
    sizes = _numbers(config, *_SIZES, *_EXPERTS, "first_k_dense_replace")
    given_ = sizes | {
        "batch": batch,
        "sequence": tokens,
        "past": past,
        "cached": int(past > 0),
        "image_tokens": 0,
        "experts_hit": hit,
        "logits_of_all": 0,
        "max_position_embeddings": 64,
    }
    kept = sum(each.nbytes for each in pages)
    assert _differences("served/served_language_model", given_, trace, decoder, kept) == ()


@settings(max_examples=20, deadline=None)
@given(networks(), st.integers(1, 3), st.integers(2, 9), st.integers(0, 6), st.booleans())
def test_a_layer_is_counted_on_prompts_and_on_chunks_behind_a_prefix(
    config: DecoderConfig, batch: int, tokens: int, past: int, dense: bool
) -> None:
    hit = _hit(config, batch * tokens)
    layer = _decoder(config, hit).layers[0 if dense else 1]
    kept = new_pages(config, requests=batch, tokens=past + tokens, page_tokens=1, device="meta", dtype=torch.bfloat16)
    x = torch.empty(batch, tokens, config.hidden_size, dtype=torch.bfloat16, device="meta")
    table = torch.empty(batch, tokens, 1, config.head_dim, dtype=torch.bfloat16, device="meta")
    _, slots = step_places(kept[0], x, past)
    with torch.no_grad(), OperatorTrace() as trace:
        layer(x, x, layer.input_layernorm, table, table, slots, kept[0], past)
    common = _numbers(config, "hidden_size", "num_attention_heads") | {
        "batch": batch,
        "sequence": tokens,
        "past": past,
        "cached": int(past > 0),
        "num_key_value_heads": config.num_attention_heads,
        "head_dim": config.head_dim,
    }
    own = _numbers(config, "intermediate_size") if dense else _numbers(config, *_EXPERTS) | {"experts_hit": hit}
    name = "served/served_dense_layer" if dense else "served/served_sparse_layer"
    assert _differences(name, common | own, trace, layer) == ()
