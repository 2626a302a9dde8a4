"""What is said of seconds: forecasts and where their constants are from, bounds, and what limits a part."""

from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.language.time_formula import LIMITS
from dsocr_symbolic.writing.amounts import seconds
from dsocr_symbolic.writing.data import Document

# A part whose GPU idles for more than this share of the time that passes waits for the host.
_IDLE = 0.5
HOST = "host"
LATENCIES = (("ttft", "first token (ttft)"), ("tpot", "each further token (tpot)"))


def limit_of(metrics: Mapping[str, Any]) -> str | None:
    """Say what a part's seconds are mostly spent on: a term of its kernels, or the host; None without forecasts."""
    terms = {name: metrics.get(f"device_{name}_s") for name in LIMITS}
    device, wall = metrics.get("device_s"), metrics.get("wall_s")
    if not device or any(term is None for term in terms.values()):
        return None
    if wall is not None and device < _IDLE * wall:
        return HOST
    return max(LIMITS, key=lambda name: float(terms[name] or 0))


def is_derived(document: Document) -> bool:
    """Whether constants of forecasts were measured on another GPU."""
    return document["machine"]["derived_from"] is not None and document["total"].get("device_s") is not None


def forecast_lines(document: Document) -> list[str]:
    """Say what the GPU and the clock on the wall need, and where the constants are from."""
    total, machine = document["total"], document["machine"]
    if total.get("device_s") is None:
        return [document["null_because"]["device_s"]] if machine["unmeasured"] else []
    said = f"forecast: GPU busy for {seconds(total['device_s'])}"
    if total.get("wall_s") is not None:
        said += f", {seconds(total['wall_s'])} pass"
    latencies = [
        f"{metric} {seconds(total[f'{metric}_wall_s'])}"
        for metric, _ in LATENCIES
        if total.get(f"{metric}_wall_s") is not None
    ]
    said += f"; {', '.join(latencies)}" if latencies else ""
    return [said, provenance(machine), *machine["versions_apart"]]


def provenance(machine: Mapping[str, Any]) -> str:
    """Say where the constants of forecasts on a machine are from."""
    if machine["derived_from"] is not None:
        return (
            f"nothing was measured on this GPU: constants of the forecast are derived from those of"
            f" {machine['derived_from']}, by the rules 'scales' in formulas/machine.yaml"
        )
    return f"constants of the forecast: {machine['measured']}"


def seconds_lines(document: Document) -> list[str]:
    """Say how long it takes: forecasts, then bounds."""
    return [*forecast_lines(document), *_latency_lines(document)]


def _latency_lines(document: Document) -> list[str]:
    """Say what the phases need at least, and what a reader of tokens waits for."""
    total = document["total"]
    if total["lower_bound_s"] is None:
        return [document["null_because"]["lower_bound_s"]] if document["machine"]["lacking"] else []
    at = f" at {document['machine']['highest_clock'] / 1e6:.0f} MHz"
    stages = [f"{name} {seconds(metrics['lower_bound_s'])}" for name, metrics in document["stages"].items()]
    parts = f" ({', '.join(stages)})" if len(stages) > 1 else ""
    lines = [f"lower bound: {seconds(total['lower_bound_s'])}{at}{parts}"]
    for metric, name in LATENCIES:
        if total[f"{metric}_s"] is not None:
            bound = seconds(total[f"{metric}_lower_bound_s"])
            lines.append(f"{name}: {seconds(total[f'{metric}_s'])} by roofline, at least {bound}; no host work")
    return lines
