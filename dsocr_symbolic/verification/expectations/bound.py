"""The lower bound, worked out phase by phase from a list of operators and compulsory bytes.

Whoever changes formulas/time/lower_bound.yaml, the phases or a machine's symbols of it states here what must come out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dsocr_symbolic.verification.expectations.facts import Facts, machines, on, page
from dsocr_symbolic.verification.expectations.sizes import Fact, network
from dsocr_symbolic.verification.expectations.times import STAGES

# Each needs the result of the one before; the crops and the global view are two calls.
PHASES = ("vision/crops", "vision/global", "projector", "prefill")


def phase(machine: Mapping[str, Any], costs: tuple[Any, Any, Any]) -> Any:
    """Return the least seconds of FLOPs of both kinds and bytes, at the highest clock and no less than stated peaks."""
    overclocked = machine["highest_clock"] / machine["rated_clock"] * max(1, machine["compute_efficiency"])
    bandwidth = machine["memory_bandwidth"] * max(1, machine["bandwidth_efficiency"])
    tensor_core, cuda_core, moved = costs
    resources = (
        tensor_core / (machine["tensor_core_peak"] * overclocked),
        cuda_core / (machine["cuda_core_peak"] * overclocked),
    )
    return max(*resources, moved / bandwidth)


def _costs(point: Facts, path: str) -> tuple[Any, Any, Any]:
    """Add up the FLOPs of a part; its bytes are compulsory."""
    launches = list(point.launches(path))
    tensor_core, cuda_core = (sum(launch[0] * launch[kind] for launch in launches) for kind in (1, 2))
    return tensor_core, cuda_core, point.given("forward_fused_io_bytes", path)


def lower_bounds() -> Iterator[Fact]:
    """Compare the bound of every phase, stage and the whole; it never exceeds the roofline where efficiencies are 1."""
    yield "phases", network().phases, (*PHASES, "decode")
    whole = page()
    costs = {path: _costs(whole, path) for path in PHASES}
    # A decode step is the only one of a workload whose prompt is longer by the steps before it.
    start = int(whole.numbers["prompt_tokens"])
    count = int(whole.numbers["new_tokens"])
    decode = [_costs(page(new_tokens=1, prompt_tokens=start + done), "decode") for done in range(count)]
    for machine in machines():
        point = on(whole, machine)
        seconds = {path: phase(point.numbers, cost) for path, cost in costs.items()}
        stages = {name: sum(s for path, s in seconds.items() if path.split("/")[0] == name) for name in STAGES}
        stages["decode"] = sum(phase(point.numbers, step) for step in decode)
        for path, stated in {**seconds, **stages}.items():
            yield f"bound of {path}", point.given("lower_bound_s", path), stated
        yield "bound of the whole", point.given("lower_bound_s"), sum(stages.values())
    yield "bound below roofline", whole.given("lower_bound_s") <= whole.given("roofline_s"), True
