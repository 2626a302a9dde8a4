"""Write what was measured of a GPU as a machine file."""

import math
from collections.abc import Mapping
from statistics import mean
from typing import Any

import yaml

from dsocr_symbolic.language.files.calibration_file import GridFile
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.measurement.fit import Fitted
from dsocr_symbolic.measurement.host import HostCost
from dsocr_symbolic.measurement.kernels import Busy, GpuFacts
from dsocr_symbolic.measurement.served.stacks import host_shares
from dsocr_symbolic.measurement.streams import GraphCost, StreamCost
from dsocr_symbolic.scenario.measured import SCHEMA
from dsocr_symbolic.scenario.units import UNITS

_DIGITS = 5
# The unit that each SI suffix is written in: the first in which the number is 1 or more.
_WRITTEN = {
    "_bytes_per_s": ("_gb_per_s",),
    "_elements_per_s": ("_gelements_per_s",),
    "_ratio": ("_percent",),
    "_s": ("_us", "_ns", "_ps"),
}


def machine_file(
    *,
    gpu: str,
    facts: GpuFacts,
    command: str,
    grid: GridFile,
    fitted: Fitted,
    busy: Mapping[str, Busy],
    host: tuple[list[HostCost], StreamCost, GraphCost] | None,
    pages: Mapping[str, Any] | None = None,
) -> str:
    """Return the text of a machine file: constants with what fixes them, residuals, and what was measured."""
    records = {name: fit.records for fit in grid.fits for name in fit.constants}
    values = dict(fitted.constants)
    launches: dict[str, Any] = {}
    if host is not None:
        costs, stream, graph = host
        by_name = {cost.name: cost for cost in costs}
        for kind in ("decoder", "vision"):
            values[f"{kind}_launch"], records[f"{kind}_launch"] = by_name[kind].per_launch_s, (f"host {kind}",)
        # No compiled code is measured where there is no compiler.
        if stacks := [cost for cost in costs if cost.work]:
            walls = [min(cost.wall_s) - stream.wait_s for cost in stacks]
            shares = host_shares([cost.work for cost in stacks], walls)
            values |= shares
            records |= dict.fromkeys(shares, tuple(f"host {cost.name}" for cost in stacks))
        values["graph_gap"], records["graph_gap"] = graph.per_kernel_s, ("host graph",)
        values["graph_replay"], records["graph_replay"] = graph.per_replay_s, ("host graph",)
        values["section_wait"], records["section_wait"] = stream.wait_s, ("host stream",)
        values["stream_gap"], records["stream_gap"] = stream.gap_s, ("host stream",)
        launches = {
            cost.name: {
                "launches": cost.launches,
                "quietest": rounded(min(cost.wall_s)),
                "slowest": rounded(max(cost.wall_s)),
            }
            for cost in costs
        }
    content = {
        "schema": SCHEMA,
        "gpu": gpu,
        "device": facts.name,
        "date": facts.date,
        "torch": str(facts.torch),
        "cuda": str(facts.cuda),
        "driver": facts.driver,
        "command": command,
        "constants": {
            key: {"value": value, "records": list(records[name])}
            for name, si in values.items()
            for key, value in [written(load_machine()[name].gpu[0], si)]
        },
        "classes": residuals(grid, fitted),
        "host": launches,
        "seconds": {name: rounded(value) for name, value in ((name, each.seconds) for name, each in busy.items())},
        "errors": {name: round(error, 4) for name, error in fitted.errors.items()},
        **({} if pages is None else {"pages": dict(pages)}),
    }
    text: str = yaml.safe_dump(content, sort_keys=False, width=118, default_flow_style=None, allow_unicode=True)
    return text


def written(name: str, si: float) -> tuple[str, float]:
    """Return the key and the value in a file's unit of an SI number: ``kernel_floor_us`` of ``kernel_floor_s``."""
    suffix = next(suffix for suffix in _WRITTEN if name.endswith(suffix))
    for unit in _WRITTEN[suffix]:
        value = si / float(UNITS[unit][1])
        if value >= 1 or unit == _WRITTEN[suffix][-1]:
            break
    return name.removesuffix(suffix) + unit, rounded(value)


def rounded(value: float) -> float:
    """Keep five digits: what is measured holds no more."""
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value)))) if value else 0.0


def residuals(grid: GridFile, fitted: Fitted) -> dict[str, dict[str, Any]]:
    """Return how far the formulas are from the measurements, by what a record runs."""
    errors: dict[str, list[float]] = {}
    for name, error in fitted.errors.items():
        errors.setdefault(grid.records[name].use, []).append(abs(error))
    return {
        use: {"records": len(these), "mean": round(mean(these), 4), "worst": round(max(these), 4)}
        for use, these in errors.items()
    }
