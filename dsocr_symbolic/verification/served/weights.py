"""The plain network's weights in the served decoder's modules, and served decoders with random ones."""

from typing import Any

import torch
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.build import UninitialisedParameters, default_dtype
from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2MLP, DeepseekV2MoE, Routing
from dsocr_symbolic.verification.served.decoder import ServedDecoder
from dsocr_symbolic.verification.served.experts import ServedMLP, ServedMoE


def build_served(
    config: DecoderConfig,
    *,
    device: str = "meta",
    dtype: torch.dtype = torch.bfloat16,
    positions: int = 8192,
    routing: Routing | None = None,
) -> ServedDecoder:
    """Build a served decoder by sizes alone, without values on the meta device; its router is in fp32."""
    with default_dtype(dtype), torch.device(device):
        if device == "meta":
            with UninitialisedParameters():
                return (
                    ServedDecoder(config, positions=positions, routing=routing)
                    .eval()
                    .requires_grad_(requires_grad=False)
                )
        return ServedDecoder(config, positions=positions, routing=routing).eval().requires_grad_(requires_grad=False)


@torch.no_grad()
def served_of(network: DeepseekOCRForCausalLM, *, positions: int = 8192) -> ServedDecoder:
    """Build a served decoder with copies of a plain network's weights, on its device and in its dtype."""
    head = network.lm_head.weight
    served = build_served(network.config.decoder, device=head.device.type, dtype=head.dtype, positions=positions)
    model = network.model
    served.embedding.embed_tokens.weight.copy_(model.embed_tokens.weight)
    served.head.norm.weight.copy_(model.norm.weight)
    served.head.lm_head.weight.copy_(head)
    layers: Any = model.layers
    for mine, theirs in zip(served.layers, layers, strict=True):
        attention = theirs.self_attn
        _join(mine.self_attn.qkv_proj.weight, attention.q_proj, attention.k_proj, attention.v_proj)
        mine.self_attn.o_proj.weight.copy_(attention.o_proj.weight)
        mine.input_layernorm.weight.copy_(theirs.input_layernorm.weight)
        mine.post_attention_layernorm.weight.copy_(theirs.post_attention_layernorm.weight)
        if isinstance(mine.mlp, ServedMoE) and isinstance(theirs.mlp, DeepseekV2MoE):
            mine.mlp.gate.weight.copy_(theirs.mlp.gate.weight)
            _mlp(mine.mlp.shared_experts, theirs.mlp.shared_experts)
            experts: Any = theirs.mlp.experts
            for number, expert in enumerate(experts):
                _join(mine.mlp.gate_up[number], expert.gate_proj, expert.up_proj)
                mine.mlp.down[number].copy_(expert.down_proj.weight)
        else:
            _mlp(mine.mlp, theirs.mlp)
    return served


def _mlp(mine: ServedMLP, theirs: DeepseekV2MLP) -> None:
    _join(mine.gate_up_proj.weight, theirs.gate_proj, theirs.up_proj)
    mine.down_proj.weight.copy_(theirs.down_proj.weight)


def _join(target: Tensor, *parts: nn.Linear) -> None:
    target.copy_(torch.cat([part.weight for part in parts]))
