"""Recompute what a model export says, knowing nothing but its JSON.

Run: dsocr totals --by operator --format json | python consume_json.py -
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

ADDING = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches", "roofline_s")
SHOWN = 5


def main(source: str) -> None:
    """Read the export and check that its parts make up its whole."""
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    data = json.loads(text)
    check(data["schema_version"] == 4, f"schema_version {data['schema_version']} is known here")
    print(f"{data['model']}, {data['workload_name']}, on {data['machine']['title']}")
    leaves = operators(data["nodes"])
    check_sums(data, leaves)
    check_ratios(data)
    check_times(data)
    check_memory(data)
    print(f"the {SHOWN} slowest of {len(leaves)} operators, recomputed:")
    for node in sorted(leaves, key=lambda each: -each["roofline_s"])[:SHOWN]:
        share = node["roofline_s"] / math.fsum(each["roofline_s"] for each in leaves)
        print(f"  {share:6.1%}  {node['path']}")


def operators(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the nodes that hold no other: a path is its parent's path, a slash and a name."""
    parents = {node["path"].rpartition("/")[0] for node in nodes}
    return [node for node in nodes if node["path"] not in parents]


def check_sums(data: dict[str, Any], leaves: list[dict[str, Any]]) -> None:
    """Operators add up to their stage, stages to the total: exactly where numbers are whole."""
    for metric in ADDING:
        for stage, whole in data["stages"].items():
            added = total(node[metric] for node in leaves if node["stage"] == stage)
            check(same(added, whole[metric]), f"{stage}: {metric} of its operators add up to {whole[metric]}")
        added = total(stage[metric] for stage in data["stages"].values())
        check(same(added, data["total"][metric]), f"total: {metric} of the stages add up to {data['total'][metric]}")


def check_ratios(data: dict[str, Any]) -> None:
    """Arithmetic intensity is FLOPs of both kinds per byte."""
    for name, metrics in [*data["stages"].items(), ("total", data["total"])]:
        flops = metrics["forward_tensor_core_flops"] + metrics["forward_cuda_core_flops"]
        said = metrics["forward_arithmetic_intensity"]
        found = flops / metrics["forward_io_bytes"] if metrics["forward_io_bytes"] else None
        right = said is None if found is None else same(found, said)
        check(right, f"{name}: {said} FLOP per byte")


def check_times(data: dict[str, Any]) -> None:
    """No stage is faster by its roofline than one resource alone, nor than its lower bound."""
    machine = data["machine"]
    for name, metrics in data["stages"].items():
        arithmetic = metrics["forward_tensor_core_flops"] / machine["tensor_core_peak"] / machine["compute_efficiency"]
        traffic = metrics["forward_io_bytes"] / machine["memory_bandwidth"] / machine["bandwidth_efficiency"]
        least = max(arithmetic, traffic, metrics["lower_bound_s"] or 0)
        check(metrics["roofline_s"] >= least * (1 - 1e-12), f"{name}: {metrics['roofline_s']:.4g} s is not too fast")


def check_memory(data: dict[str, Any]) -> None:
    """The worst moment is weights, KV cache and activations; it fits or it does not."""
    memory = data["memory"]
    moment = memory["moment"]
    added = moment["weight_bytes"] + moment["kv_cache_bytes"] + moment["activation_bytes"]
    check(added == moment["peak_memory_bytes"], f"{added} bytes at {moment['at']}")
    fits = added <= memory["capacity_bytes"]
    check(fits == memory["fits"], f"{'fits' if fits else 'does not fit'} {memory['capacity_bytes']} bytes")


def total(values: Any) -> Any:
    """Add up, without rounding on the way."""
    values = list(values)
    return sum(values) if all(isinstance(each, int) for each in values) else math.fsum(values)


def same(found: Any, said: Any) -> bool:
    """Compare: whole numbers exactly."""
    whole = isinstance(found, int) and isinstance(said, int)
    return found == said if whole else math.isclose(found, said, rel_tol=1e-9)


def check(true: bool, what: str) -> None:
    """Say that something holds, or end with exit code 1."""
    print("  ok" if true else "  FAILED", what)
    if not true:
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
