"""Measure what ``reports/benchmarks.md`` says, in one run, and write it: python tests/benchmarks/write_page.py [FILE].

Times are CPU seconds of whole processes, those of ``python -c "import sympy"`` taken in turn with them: ratios of one
run hold on another machine, and where others work meanwhile. Prints the page where no FILE is named.
"""

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

ROOT = Path(__file__).parents[2]
LLAMA = ROOT / "tests" / "benchmarks" / "llama-80-layers.json"
SYMPY = "import sympy"


@frozen(kw_only=True)
class Case:
    """One thing that is measured.

    Attributes
    ----------
    what, arguments, goal : str, tuple of str, str
        In words; of dsocr, or after ``python -c`` where the first is no verb; the number to reach, as printed.
    fresh : bool
        Whether nothing is cached before each run.
    rounds : int or None
        How many runs; None for as many as are asked for.
    """

    what: str
    arguments: tuple[str, ...]
    goal: str
    fresh: bool = False
    rounds: int | None = None


def verb(what: str, line: str, goal: str, *, fresh: bool = False, rounds: int | None = None) -> Case:
    """Return a case of a command line of dsocr."""
    return Case(what=what, arguments=("dsocr", *line.split()), goal=goal, fresh=fresh, rounds=rounds)


CASES: tuple[Case, ...] = (
    Case(what="Python itself", arguments=("pass",), goal=""),
    Case(what="importing the package", arguments=("import dsocr_symbolic",), goal="2.5x Python itself"),
    verb("a later start", "totals", "0.5x"),
    verb("a first start", "totals", "3x", fresh=True),
    verb("a first start of what is not shipped", "totals --attention eager", "5x", fresh=True, rounds=3),
    verb("80 layers by config, later", f"totals --config {LLAMA.relative_to(ROOT)}", "1.1x a later start"),
    verb("80 layers by config, first", f"totals --config {LLAMA.relative_to(ROOT)}", "3 s", fresh=True),
    verb("one formula", "formula prefill/layers.1-11/mlp/gate", "4x", rounds=3),
    verb("largest batch that fits", "solve batch peak_memory_bytes<=capacity --gpu h200", "4x", rounds=3),
    verb("what a number hangs on", "sensitivity", "6x", rounds=3),
    verb("the same at batch 1,000,000", "sensitivity --set batch=1000000", "1.5x batch 1", rounds=3),
    verb("regime boundaries", "bounds", "4x", rounds=3),
    verb("regime boundaries of every machine", "bounds --by gpu", "8x", rounds=3),
    verb("two scenarios", "compare gpu=rtx5090 gpu=h200,batch=8", "4x", rounds=3),
)
METRICS: Mapping[tuple[str, ...], str] = {
    ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes"): "3.6e7",
    ("roofline_s",): "1.5e7",
    ("peak_memory_bytes",): "1e7",
    ("device_s",): "5e6",
}
GRID_GOAL = "1e8"


@frozen(kw_only=True)
class Taken:
    """CPU seconds of each run of a case, and of ``import sympy`` beside it."""

    case: Case
    seconds: tuple[float, ...]
    beside: tuple[float, ...]


@frozen(kw_only=True)
class Speed:
    """Points per second of some metrics: the most and the median of several calls, and the number to reach."""

    metrics: tuple[str, ...]
    kind: str
    goal: str
    most: float
    median: float


def cpu_seconds(arguments: Sequence[str], cache: Path) -> float:
    """Return the CPU seconds of one process and those that it starts."""
    dsocr = "import sys; from dsocr_symbolic.cli import main; main(sys.argv[1:])"
    code, *rest = (dsocr, *arguments[1:]) if arguments[0] == "dsocr" else arguments
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "DSOCR_CACHE": str(cache)}
    command = [sys.executable, "-c", code, *rest]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(cases: Sequence[Case], rounds: int) -> Iterator[Taken]:
    """Run each case so often, ``import sympy`` before each run."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        for case in cases:
            if not case.fresh:
                cpu_seconds(case.arguments, cache)
            seconds, beside = [], []
            for _ in range(case.rounds or rounds):
                beside.append(cpu_seconds((SYMPY,), cache))
                if case.fresh:
                    shutil.rmtree(cache, ignore_errors=True)
                seconds.append(cpu_seconds(case.arguments, cache))
            yield Taken(case=case, seconds=tuple(seconds), beside=tuple(beside))


def grid(points: int) -> dict[str, Any]:
    """Return about so many points as a product grid: axes that broadcast."""
    from bench_sweep import OVER

    prompts = max(1, points // (32 * 9 * 70))
    axes = (range(1, 33), range(1, 4), range(1, 4), range(prompts), range(0, 700, 10))
    return dict(zip(OVER, np.ix_(*axes), strict=True))


def rates(points: int, rounds: int) -> Iterator[Speed]:
    """Yield points per second of wall time on all cores."""
    from bench_sweep import OVER
    from bench_sweep import points as drawn

    from dsocr_symbolic import load_model

    model, asked = load_model(), {"random": drawn(points), "product grid": grid(points)}
    for metrics, goal in METRICS.items():
        function = model.compile(metrics, OVER, check=False)
        for kind, given in asked.items():
            count = next(iter(function(**given)[metrics[0]].values())).size
            times = []
            for _ in range(rounds):
                start = time.perf_counter()
                function(**given)
                times.append(time.perf_counter() - start)
            reached = goal if kind == "random" else GRID_GOAL
            yield Speed(
                metrics=metrics,
                kind=kind,
                goal=reached,
                most=count / min(times),
                median=count / statistics.median(times),
            )


def page(taken: Sequence[Taken], speeds: Sequence[Speed], points: int) -> str:
    """Lay the page out."""
    lines = [
        "# Benchmarks",
        "",
        f"One run: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}. CPU seconds of",
        'whole processes; ratios are to `python -c "import sympy"`, taken in turn with each: the least to the least,',
        "the median to the median. Repeat it with `pixi run benchmarks`. Numbers of other tools are shown only where",
        "they were measured in the same run; here there are none.",
        "",
        "| What | Command | Goal | Least, s | Ratio | Median, s | Ratio |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for each in taken:
        least, median = min(each.seconds), statistics.median(each.seconds)
        ratios = least / min(each.beside), median / statistics.median(each.beside)
        command = " ".join(each.case.arguments)
        command = command if command.startswith("dsocr") else f'python -c "{command}"'
        lines.append(
            f"| {each.case.what} | `{command}` | {each.case.goal} "
            f"| {least:.3f} | {ratios[0]:.2f} | {median:.3f} | {ratios[1]:.2f} |"
        )
    lines += [
        "",
        f"Points of every stage and the total, about {points:,} in one call, over batch, crops, tokens and steps:",
        "",
        "| Metrics | Points | Goal, points/s | Most | Median |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {', '.join(each.metrics)} | {each.kind} | {each.goal} | {each.most:.2g} | {each.median:.2g} |"
            for each in speeds
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure and write the page of benchmarks.")
    parser.add_argument("file", nargs="?", type=Path, help="where to write it; printed where none is named")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each short command")
    parser.add_argument("--points", type=int, default=4_000_000, help="points of a sweep")
    asked = parser.parse_args()
    text = page(
        list(measure(CASES, asked.rounds)),
        list(rates(asked.points, asked.rounds)) if asked.points else [],
        asked.points,
    )
    if asked.file is None:
        print(text, end="")
    else:
        asked.file.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
