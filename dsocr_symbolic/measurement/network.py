"""The reference network with values, as the measured network runs: built once, and switched in place."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from attrs import evolve, field, frozen
from torch import Tensor

from dsocr_symbolic.verification.reference import clip
from dsocr_symbolic.verification.reference.build import build
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM
from dsocr_symbolic.verification.reference.llama import LlamaAttention, LlamaFlashAttention2

ATTENTION: Mapping[str, type[LlamaAttention]] = {"flash": LlamaFlashAttention2, "eager": LlamaAttention}
"""Attention classes by the names of the choice."""


@frozen(kw_only=True)
class NetworkCache:
    """The one network of a session, built when it is first asked for.

    Attributes
    ----------
    device : str
        Where it lives: ``cuda``, or ``cpu`` for a dry run.
    config : OcrConfig
        Its sizes; the published ones by default.
    """

    device: str = "cuda"
    config: OcrConfig = field(factory=OcrConfig)
    _network: list[DeepseekOCRForCausalLM] = field(factory=list, init=False)
    _scripts: dict[str, Callable[[Tensor], Tensor]] = field(factory=dict, init=False)

    def network(self) -> DeepseekOCRForCausalLM:
        """Return the network in bf16; every parameter has random values, also those that start at zero."""
        if not self._network:
            torch.manual_seed(0)
            decoder = evolve(self.config.decoder, attention="flash")
            network = build(evolve(self.config, decoder=decoder), device=self.device)
            with torch.no_grad():
                for parameter in network.parameters():
                    if not parameter.any():
                        parameter.normal_(std=0.02)
            self._network.append(network)
        return self._network[0]

    def quick_gelu(self, shape: str) -> Callable[[Tensor], Tensor]:
        """Return the activation as TorchScript compiled it for one shape: it specialises on the first that it sees."""
        if shape not in self._scripts:
            self._scripts[shape] = scripted_quick_gelu()
        return self._scripts[shape]


def tiny_config() -> OcrConfig:
    """Return sizes small enough for a dry run with values on a CPU."""
    sam = SamConfig(hidden_size=16, num_layers=2, num_heads=2, mlp_size=32, global_layers=(1,), neck_channels=4)
    decoder = DecoderConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=24,
        moe_intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        n_routed_experts=8,
    )
    return OcrConfig(sam=sam, clip=ClipConfig(hidden_size=16, num_layers=1, num_heads=2, mlp_size=32), decoder=decoder)


def scripted_quick_gelu() -> Callable[[Tensor], Tensor]:
    """Compile CLIP's activation with TorchScript afresh, as the network does: [...] -> [...], one kernel on a GPU."""

    def quick_gelu(x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)

    with warnings.catch_warnings():
        # The network's own code is older than the deprecation.
        warnings.simplefilter("ignore", DeprecationWarning)
        script: Callable[[Tensor], Tensor] = torch.jit.script(quick_gelu)
    return script


@contextmanager
def quick_gelu_as(function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let the reference's CLIP use another function for its activation within the block."""
    before = clip.quick_gelu
    clip.quick_gelu = function  # type: ignore[assignment]
    try:
        yield
    finally:
        clip.quick_gelu = before


def use_attention(network: DeepseekOCRForCausalLM, attention: str) -> None:
    """Switch the decoder of a built network between ``flash`` and ``eager`` attention, in place."""
    network.model.attention = "eager" if attention == "eager" else "flash"
    for layer in network.model.layers:
        # Both classes hold the same modules and differ in one method.
        layer.self_attn.__class__ = ATTENTION[attention]
