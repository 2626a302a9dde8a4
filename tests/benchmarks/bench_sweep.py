"""Points per second of compiled functions.

Run: python tests/benchmarks/bench_sweep.py [--backend torch --device cuda].
"""

import argparse
import time
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dsocr_symbolic import Model, load_model
from dsocr_symbolic.evaluation.compiled import Compiled

OVER = ("batch", "crop_columns", "crop_rows", "text_tokens", "new_tokens")
COUNTS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes")
ROUNDS = 7
CHECKED = 1000


def points(count: int) -> dict[str, Any]:
    """Draw random workloads, grids among them that no page gives."""
    rng = np.random.default_rng(20260101)
    highest = {"batch": (1, 64), "crop_columns": (0, 9), "crop_rows": (0, 9), "text_tokens": (0, 4096)}
    highest["new_tokens"] = (0, 8192)
    return {name: rng.integers(low, high, count, endpoint=True) for name, (low, high) in highest.items()}


def best(run: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Return the shortest wall time and the CPU time of that round, in seconds."""
    times = []
    for _ in range(rounds):
        cpu, start = time.process_time(), time.perf_counter()
        run()
        times.append((time.perf_counter() - start, time.process_time() - cpu))
    return min(times)


def largest_error(function: Compiled, given: dict[str, Any], found: dict[str, dict[str, Any]], metric: str) -> float:
    """Return the largest relative difference from exact scalars, at points spread over all of them."""
    error = 0.0
    count = len(given["batch"])
    for place in range(0, count, max(1, count // CHECKED)):
        exact = function(**{name: int(values[place]) for name, values in given.items()})
        for part, value in exact[metric].items():
            error = max(error, abs(float(found[metric][part][place]) - value) / max(abs(value), 1e-300))
    return error


def sweep(model: Model, metrics: tuple[str, ...], asked: argparse.Namespace, least: float) -> None:
    """Print points per second, for every stage and the total, and the error."""
    backend, device, count = asked.backend, asked.device, asked.points
    function = model.compile(metrics, OVER, check=False, backend=backend)
    drawn = points(count)
    given = drawn
    if backend == "torch":
        import torch

        given = {name: torch.as_tensor(values, device=device) for name, values in drawn.items()}

    def run() -> None:
        found = function(**given)
        if backend == "torch":
            # Reading one number waits for the device.
            float(found[metrics[-1]]["total"][-1])

    wall, cpu = best(run, ROUNDS)
    found = function(**given)
    errors = ", ".join(f"{metric} {largest_error(function, drawn, found, metric):.1e}" for metric in metrics)
    print(f"{' + '.join(metrics)}, 4 stages and total, {count:.0e} points, {backend} on {device}:")
    print(f"  {count / wall:.3g} points/s (at least {least:.0e}), {cpu:.2f} s of CPU time")
    print(f"  largest relative error at {CHECKED} points against exact scalars: {errors}")


def scalars(model: Model) -> None:
    """Print the time of single calls."""
    given = {"batch": 2, "crop_columns": 3, "crop_rows": 2, "text_tokens": 10, "new_tokens": 512}
    for metric, most in (*((each, 10) for each in COUNTS), ("roofline_s", 200)):
        function = model.compile(metric, OVER, by="total")
        run = partial(function, **given)
        spent = min(timeit.repeat(run, timer=time.process_time, number=1000, repeat=ROUNDS))
        print(f"{metric}, total, one call with its checks: {spent * 1e3:.1f} us of CPU time (at most {most})")


def variation(model: Model) -> None:
    """Print the time from a what-if to a compiled network."""

    def run() -> None:
        changed = model.what_if(n_routed_experts=128, num_experts_per_tok=8)
        changed.compile((*COUNTS, "roofline_s"), OVER)

    wall, cpu = best(run, ROUNDS)
    what = f"what_if and compile, {len(COUNTS) + 1} metrics, 4 stages and total"
    print(f"{what}: {wall:.2f} s (at most 1), {cpu:.2f} s of CPU time")


def main() -> None:
    """Print what is reached and what has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("numpy", "torch"), default="numpy")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--points", type=int, default=10_000_000)
    asked = parser.parse_args()
    model = load_model("deepseek-ocr")
    sweep(model, COUNTS, asked, 1e7)
    sweep(model, (*COUNTS, "roofline_s"), asked, 1e6)
    if asked.backend == "numpy":
        scalars(model)
        variation(model)


if __name__ == "__main__":
    main()
