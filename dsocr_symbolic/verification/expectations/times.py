"""The roofline and the latencies, worked out from a list of operators."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dsocr_symbolic.verification.expectations.facts import machines, on, page
from dsocr_symbolic.verification.expectations.machine import Fact

STAGES = ("vision", "projector", "prefill", "decode")


def roofline(launches: Iterable[tuple[Any, ...]], machine: Mapping[str, Any]) -> Any:
    """Add up launches, each as slow as the slowest of Tensor Cores, CUDA cores and DRAM at what they reach."""
    products = machine["tensor_core_peak"] * machine["compute_efficiency"]
    elements = machine["cuda_core_peak"] * machine["compute_efficiency"]
    bandwidth = machine["memory_bandwidth"] * machine["bandwidth_efficiency"]
    total = 0
    for count, tensor_core, cuda_core, moved in launches:
        total += count * max(tensor_core / products, cuda_core / elements, moved / bandwidth)
    return total


def rooflines() -> Iterator[Fact]:
    """Compare the roofline of every stage on machines that are slow at different things."""
    whole = page()
    launches = [list(whole.launches(stage)) for stage in STAGES]
    for machine in machines():
        point = on(whole, machine)
        stated = [roofline(operators, point.numbers) for operators in launches]
        for stage, seconds in zip(STAGES, stated, strict=True):
            yield f"roofline of {stage}", point.given("roofline_s", stage), seconds
        yield "roofline of the whole", point.given("roofline_s"), sum(stated)


def latencies() -> Iterator[Fact]:
    """Let the first token wait for vision, projector and prefill, each further one for its share of decode."""
    point = page()
    for time, suffix in (("roofline_s", ""), ("lower_bound_s", "_lower_bound")):
        seconds = {stage: point.given(time, stage) for stage in STAGES}
        yield f"ttft of {time}", point.given(f"ttft{suffix}_s"), sum(seconds[stage] for stage in STAGES[:3])
        yield f"tpot of {time}", point.given(f"tpot{suffix}_s"), seconds["decode"] / point.numbers["new_tokens"]
        yield f"latencies of a stage, {time}", point.given(f"ttft{suffix}_s", "prefill"), None
