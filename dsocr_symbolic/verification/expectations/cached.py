"""Bytes of the KV cache in another number format than activations: what a cached element more or less wide moves."""

from collections.abc import Iterator

from dsocr_symbolic.verification.expectations.facts import page
from dsocr_symbolic.verification.expectations.machine import Fact

# Keys and values are joined from a past and a new part, and read; eager attention first lays out those of a prompt.
_JOINED, _READ, _LAID_OUT = 2, 1, 2


def moved() -> Iterator[Fact]:
    """State what a byte more for each cached element adds to the bytes that prefill and decode move."""
    for attention, of_prompt in (("flash", _READ), ("eager", _READ + _LAID_OUT)):
        narrow, wide = (page(attention=attention, kv=size) for size in (1, 2))
        of = narrow.numbers
        step = 2 * of["num_hidden_layers"] * of["batch"] * of["hidden_size"]
        lengths = range(int(of["prompt_tokens"]) + 1, int(of["prompt_tokens"] + of["new_tokens"]) + 1)
        stated = {
            "prefill": of_prompt * of["prompt_tokens"] * step,
            "decode": (_JOINED + _READ) * sum(lengths) * step,
        }
        for stage, more in stated.items():
            given = wide.given("forward_io_bytes", stage) - narrow.given("forward_io_bytes", stage)
            yield f"bytes of the cache in {stage}, {attention}", given, more
        attend = next(
            row.path for row in wide.fold.leaves.rows if row.path.startswith("decode") and "attend" in row.path
        )
        given, before = (each.given("forward_fused_io_bytes", attend) for each in (wide, narrow))
        layer = step / of["num_hidden_layers"]
        yield f"bytes of the cache that attention must read, {attention}", given - before, sum(lengths) * layer
