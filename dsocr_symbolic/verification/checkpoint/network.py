"""The checkpoint's network with one kernel in one precision, and how a call of it is counted."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from attrs import frozen
from torch import nn

from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.checkpoint.host import hosted, replaced
from dsocr_symbolic.verification.reference.deepseek_v2 import rows_over

SIZES = (512, 640, 1024, 1280)


BATCHES = (1, 2, 6)


TOKENS = (1, 7, 512)


@frozen(kw_only=True)
class Network:
    """A network, and what its calls are made of.

    Attributes
    ----------
    bench : Bench
        Makes tensors and counts.
    kind : str
        The decoder's kernel: ``eager`` or ``flash``.
    module : nn.Module
        The outermost class.
    decoder : ModuleType
        The module with the decoder's classes.
    sizes : mapping of str to int
        The config's, by symbol.
    """

    bench: Bench
    kind: str
    module: Any
    decoder: ModuleType
    sizes: Mapping[str, int]

    def count(
        self,
        layer: str,
        settings: Mapping[str, int],
        owner: nn.Module | None,
        call: Callable[[], object],
        *,
        hit: int = 0,
        tokens: int = 0,
        reads: tuple[float, ...] = (),
        kv_bytes: Callable[[], int] | None = None,
    ) -> Counted:
        """Count one call.

        Parameters
        ----------
        layer : str
            The formula file it stands for.
        settings : mapping of str to int
            The formula's symbols, but for the network's sizes.
        owner : nn.Module or None
            Whose parameters the layer owns.
        call : callable
            Runs it.
        hit : int
            Distinct experts that receive rows, if any do.
        tokens : int
            Tokens that are routed.
        reads : tuple of float
            Numbers that the host reads back, in turn.
        kv_bytes : callable, optional
            Bytes of the cache after the call.

        Returns
        -------
        Counted
            Everything that the bench counts.
        """
        sizes = self.sizes
        rows = rows_over(hit)(tokens, sizes["num_experts_per_tok"], sizes["n_routed_experts"]) if hit else []
        subject = Subject(owner=owner, call=call, kv_bytes=kv_bytes)
        llama = import_module("transformers.models.llama.modeling_llama")
        with hosted(llama, rows, list(reads)):
            return self.bench.count(layer, {**sizes, **settings}, {"attention": self.kind}, subject, "checkpoint")

    def cache(self, batch: int, past: int, layers: int) -> Any:
        """Make a cache whose first layers hold past tokens."""
        made = import_module("transformers.cache_utils").DynamicCache()
        heads = self.sizes["num_attention_heads"]
        shape = (batch, heads, past, self.sizes["hidden_size"] // heads)
        for layer in range(layers if past else 0):
            made.update(self.bench.empty(*shape), self.bench.empty(*shape), layer)
        return made

    def hits(self, tokens: int) -> list[int]:
        """Return some numbers of distinct experts that so many tokens can hit."""
        chosen, experts = self.sizes["num_experts_per_tok"], self.sizes["n_routed_experts"]
        most = min(experts, chosen * tokens)
        return sorted({chosen, (chosen + most) // 2, most})


def call_settings(batch: int, new: int, past: int) -> dict[str, int]:
    """Name the symbols of a call of the decoder."""
    return {"batch": batch, "sequence": new, "past": past, "cached": int(past > 0)}


def cached_bytes(cache: Any, layer: int | None = None) -> int:
    """Count the bytes of a cache, or of one of its layers."""
    layers = slice(layer, None if layer is None else layer + 1)
    return sum(each.nbytes for each in (*cache.key_cache[layers], *cache.value_cache[layers]))


def build_network(network: ModuleType, config: bytes, kind: str) -> nn.Module:
    """Make the network as its config says, but for the kernel.

    Parameters
    ----------
    network : module
        The code that was loaded.
    config : bytes
        The config.json.
    kind : str
        ``eager`` or ``flash``.

    Returns
    -------
    nn.Module
        The outermost class.
    """
    base = import_module("transformers.modeling_utils").PreTrainedModel
    sizes = network.DeepseekOCRConfig(**json.loads(config))
    sizes._attn_implementation = {"eager": "eager", "flash": "flash_attention_2"}[kind]  # noqa: SLF001
    # The library would ask for the flash library, whose kernel has a stand-in here.
    with replaced(base, "_check_and_enable_flash_attn_2", classmethod(lambda _, config, *__, **___: config)):
        made: nn.Module = network.DeepseekOCRForCausalLM(sizes)
    return made
