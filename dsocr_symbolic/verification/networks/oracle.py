"""A network as transformers builds it from a config.json, on the meta device; what it counts, call by call.

The convention of proof: eager attention, experts as ``batched_mm``, a DynamicCache, logits of all positions, bf16 where
a config names no dtype, one prefill and then one token at a time. Nothing is downloaded, no remote code is run.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.scenario.config_files import read_json
from dsocr_symbolic.verification.reference.gradient_step import gradient_step
from dsocr_symbolic.verification.reference.memory import AllocationTrace
from dsocr_symbolic.verification.reference.trace import OperatorTrace

META = torch.device("meta")
_DTYPES = {"float16": torch.float16, "float32": torch.float32}

Counts = Mapping[str, int]


def build(definition: Definition, config: Path | Mapping[str, Any]) -> nn.Module:
    """Build the network that a model file names as its oracle, from a config.json or its content."""
    raw = dict(read_json(config) if isinstance(config, Path) else config)
    architecture = definition.architecture
    if architecture is None or not architecture.oracle:
        raise UserError(
            f"{definition.file}: architecture: names no oracle; say which class of transformers counts are of"
        )
    package, _, name = architecture.oracle.rpartition(".")
    kind: Any = getattr(import_module(package), name)
    if raw.get("model_type") not in architecture.model_types:
        raw = next((raw[root] for root in architecture.roots if root in raw), raw)
    dtype = _DTYPES.get(str(raw.get("dtype") or raw.get("torch_dtype")), torch.bfloat16)
    with quietly(), META:
        try:
            read = kind.config_class.from_dict(raw)
        except Exception as error:  # noqa: BLE001 - checks of several libraries
            why = " ".join(str(error).split())
            raise UserError(
                f"transformers takes no such config for {name}: {why}; dsocr totals needs no transformers"
            ) from None
        made: Any = kind._from_config(  # noqa: SLF001 - as AutoModel.from_config does
            read, dtype=dtype, attn_implementation="eager"
        ).eval()
        if hasattr(made, "set_experts_implementation"):
            made.set_experts_implementation("batched_mm")
    network: nn.Module = made
    return network


@contextmanager
def quietly() -> Iterator[None]:
    """Keep a library's words about its own future to itself."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(disabled)


def new_cache(network: nn.Module) -> Any:
    """Return an empty cache of the kind that a network grows."""
    return import_module("transformers").DynamicCache(config=network.config)


def _kept(cache: Any) -> list[Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None]


def generation_counts(network: nn.Module, batch: int, prompt_tokens: int, new_tokens: int) -> dict[str, dict[str, int]]:
    """Count a prefill and the steps behind it, by stage and metric; ``total`` has parameters and the cache's bytes."""
    cache = new_cache(network)
    stages: dict[str, dict[str, int]] = {}
    with quietly(), torch.no_grad(), META:
        for step in range(1 + new_tokens):
            tokens = torch.empty(batch, 1 if step else prompt_tokens, dtype=torch.long)
            with OperatorTrace() as trace, AllocationTrace([tokens], _kept(cache)) as alive:
                out = network(input_ids=tokens, cache=cache, use_cache=True).logits
            stage = stages.setdefault("decode" if step else "prefill", {})
            total = trace.total
            for name, count in (
                ("forward_tensor_core_flops", total.tensor_core_flops),
                ("forward_cuda_core_flops", total.cuda_core_flops),
                ("forward_io_bytes", total.io_bytes),
                ("operator_launches", total.launches),
            ):
                stage[name] = stage.get(name, 0) + count
            stage["forward_activation_bytes"] = alive.peak(_kept(cache)).peak_bytes
            del out
    stages["total"] = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "forward_weight_bytes": sum(parameter.nbytes for parameter in network.parameters()),
        "forward_kv_cache_bytes": sum(tensor.nbytes for tensor in _kept(cache)),
    }
    return stages


def training_counts(network: nn.Module, batch: int, prompt_tokens: int) -> dict[str, int]:
    """Count the backward of one gradient step of all parameters, by metric."""

    def logits() -> list[Tensor]:
        tokens = torch.empty(batch, prompt_tokens, dtype=torch.long)
        return [network(input_ids=tokens, cache=new_cache(network), use_cache=True).logits]

    with quietly(), torch.enable_grad(), META:
        _, counts = gradient_step(network, list(network.parameters()), logits)
    return counts
