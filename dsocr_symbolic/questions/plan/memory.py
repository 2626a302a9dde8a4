"""What a server's memory holds on each machine: weights, one chunk's activations, and requests in its KV cache."""

from typing import Any

from attrs import evolve

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.program import Program, run_program
from dsocr_symbolic.language.files.server_file import load_server
from dsocr_symbolic.network.serving import quotient
from dsocr_symbolic.questions.capacity import KvPool, kv_pool
from dsocr_symbolic.questions.plan.steps import Machines
from dsocr_symbolic.questions.plan.workloads import AskedPages
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.writing.amounts import scaled


def holding(asked: AskedPages, program: Program, on: Machines) -> tuple[Machines, list[KvPool | None], dict[str, str]]:
    """Return the machines whose memory holds weights, one chunk and one request, and why others do not."""
    pools: list[KvPool | None] = []
    kept: list[int] = []
    small: dict[str, str] = {}
    for place, (gpu, pool) in enumerate(zip(on.gpus, memory_pools(asked.average, program, on), strict=True)):
        if pool is not None and pool.requests is not None and pool.requests < 1:
            takes = (scaled(part, "B") for part in (pool.memory_bytes, pool.weight_bytes, pool.activation_bytes))
            said = "a server takes {} of its memory, weights are {}, activations {}: no request fits"
            small[gpu.name] = said.format(*takes)
        else:
            kept.append(place)
            pools.append(pool)
    return on.some(kept), pools, small


def memory_pools(average: Scenario, program: Program, on: Machines) -> list[KvPool | None]:
    """Return what a server has for its KV cache on each machine: bytes that are held are the same on all."""
    roles = average.definition.roles
    workload = run_program(program, scenario_values(average).numbers)
    first = kv_pool(average, workload)
    if first is None:
        return [None] * len(on.gpus)
    cache = workload.owned("forward_kv_cache_bytes", 0)
    held = {"weight_bytes": first.weight_bytes, "activation_bytes": first.activation_bytes, "kv_cache_bytes": cache}
    pools: list[KvPool | None] = []
    for numbers in on.values:
        given: dict[str, Any] = {}
        for name, formula in load_server().holds.items():
            given[name] = quotient(formula, {**workload.leaves.scope, **numbers, **held, **given}, arithmetic)
        wholes: dict[str, Any] = {
            name: None if value is None else arithmetic.whole(value) for name, value in given.items()
        }
        known: dict[str, Any] = {name: value for name, value in wholes.items() if hasattr(first, name)}
        request = (numbers[roles.prompt_tokens], numbers[roles.new_tokens])
        pools.append(evolve(first, request=request, preempted_share=wholes["preempted"], **known))
    return pools
