"""The checkpoint's network with one kernel in one precision, and how a call of it is counted."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from attrs import frozen
from torch import nn

from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.comparison import Counted
from dsocr_symbolic.verification.checkpoint.code import load
from dsocr_symbolic.verification.checkpoint.host import hosted, replaced
from dsocr_symbolic.verification.checkpoint.snapshot import Snapshot
from dsocr_symbolic.verification.reference.deepseek_v2 import rows_over


@frozen(kw_only=True)
class CheckpointNetwork:
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
        settings: Mapping[str, Any],
        owner: nn.Module | None,
        call: Callable[[], object],
        *,
        hit: int = 0,
        tokens: int = 0,
        reads: tuple[float, ...] = (),
        kv_bytes: Callable[[], int] | None = None,
    ) -> Counted:
        """Count one call, whose settings are all but the network's sizes.

        So many distinct experts are hit by so many tokens, and the host reads these numbers back in turn.
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


def cached_bytes(cache: Any, layer: int | None = None) -> int:
    """Count the bytes of a cache, or of one of its layers."""
    layers = slice(layer, None if layer is None else layer + 1)
    return sum(tensor.nbytes for tensor in (*cache.key_cache[layers], *cache.value_cache[layers]))


def networks(snapshot: Snapshot, calls: tuple[tuple[str, str], ...]) -> Iterator[CheckpointNetwork]:
    """Load the code, which executes it, and make the network in these precisions and with these kernels, entered."""
    with _quiet():
        network, decoder = load(snapshot)
        for precision, kind in calls:
            bench = Bench(precision)
            with bench.context():
                module = bench.module(partial(_build, network, snapshot.config, kind))
                yield CheckpointNetwork(
                    bench=bench, kind=kind, module=module, decoder=decoder, sizes=snapshot.constants
                )


def network_module(snapshot: Snapshot) -> nn.Module:
    """Load the code, which executes it, and make the network without values."""
    with _quiet():
        network, _ = load(snapshot)
        made: nn.Module = Bench().module(partial(_build, network, snapshot.config, "flash"))
        return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's advice to the owners of the code."""
    logging = import_module("transformers.utils.logging")
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _build(network: ModuleType, config: bytes, kind: str) -> nn.Module:
    """Make the network as its config says, but for the kernel."""
    base = import_module("transformers.modeling_utils").PreTrainedModel
    sizes = network.DeepseekOCRConfig(**json.loads(config))
    sizes._attn_implementation = {"eager": "eager", "flash": "flash_attention_2"}[kind]  # noqa: SLF001
    # The library would ask for the flash library, whose kernel has a stand-in here.
    with replaced(base, "_check_and_enable_flash_attn_2", classmethod(lambda _, config, *__, **___: config)):
        made: nn.Module = network.DeepseekOCRForCausalLM(sizes)
    return made
