"""Whether a workload fits a machine, in words: its own forward, the largest batch, a server's pool of KV cache."""

from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.questions.totals.pages import largest_page
from dsocr_symbolic.writing.amounts import scaled
from dsocr_symbolic.writing.data import Document

# Less is printed as nothing.
_SMALLEST_SHARE = 1e-4


def memory_lines(document: Document, roles: Roles) -> list[str]:
    """Say whether the workload fits the machine, up to which batch, and what binds."""
    fit = document.get("memory")
    if fit is None:
        return []
    reserve = scaled(fit["reserve_bytes"], "B")
    verdict = "fits" if fit["fits"] else "does not fit"
    room = f"{scaled(fit['capacity_bytes'], 'B')} (usable less {reserve} reserve; fragmentation is not modelled)"
    lines = [f"memory{largest_page(document, roles)}: {_moment(fit['moment'])}; {verdict} {room}"]
    beyond = fit["beyond"]
    if beyond is not None:
        lines.append(f"largest {roles.batch} that fits: {fit['largest_batch']}; the next one needs {_moment(beyond)}")
    return [*lines, *_pool_lines(fit["kv_pool"])]


def _pool_lines(pool: Mapping[str, Any] | None) -> list[str]:
    """Say what a server has for its KV cache, and how many requests that are."""
    if pool is None:
        return []
    memory, weights, activations, graphs = (
        scaled(pool[key], "B") for key in ("memory_bytes", "weight_bytes", "activation_bytes", "graph_bytes")
    )
    forward = f"one request's forward, {pool['chunk']} prompt tokens at a time"
    captured = f", CUDA graphs {graphs}" if pool["graph_bytes"] else ""
    needs = f"weights {weights} and activations {activations} of {forward}{captured},"
    if pool["bytes"] <= 0:
        return [f"KV pool of a server: none; {needs} alone do not fit the {memory} that it takes"]
    size = f"KV pool of a server: {scaled(pool['bytes'], 'B')} ({memory} that it takes, less {needs[:-1]})"
    if pool["requests"] is None:
        return [size]
    prompt, new = pool["request"]
    holds = f"{pool['tokens']:,} tokens in {pool['pages']:,} pages of {pool['page_tokens']}"
    lines = [f"{size}; {holds}, {pool['requests']:,.1f} requests of {prompt} + {new} tokens"]
    if not captured:
        lines.append("CUDA graphs of a server: their memory is not known and left out (--set graph_bytes=BYTES)")
    if pool["max_model_len"] != prompt + new:
        lines.append(f"requests of max_model_len = {pool['max_model_len']:,} tokens: {pool['longest_requests']:,.2f}")
    if (pool["preempted_share"] or 0) >= _SMALLEST_SHARE:
        share = f"{pool['preempted_share']:.2%} of {pool['batch']:,} requests at once must be evicted at a moment"
        lines.append(f"{share} (a normal sum of what they hold; assumptions in formulas/server.yaml)")
    return lines


def _moment(moment: Mapping[str, Any]) -> str:
    parts = {"weights": "weight_bytes", "KV": "kv_cache_bytes", "activations": "activation_bytes"}
    sizes = ", ".join(f"{name} {scaled(moment[key], 'B')}" for name, key in parts.items())
    return f"{scaled(moment['peak_memory_bytes'], 'B')} at {moment['label']} ({sizes})"
