"""Measure what ``reports/benchmarks.md`` says, in one run, and write it: python tests/benchmarks/write_page.py [FILE].

Times are CPU seconds of whole processes, those of ``python -c "import sympy"`` taken in turn with them: ratios of one
run hold on another machine. The page says how busy it was. It is printed, and written where a FILE is named.
"""

import argparse
import os
import platform
import random
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

ROOT = Path(__file__).parents[2]
LLAMA = ROOT / "tests" / "benchmarks" / "llama-80-layers.json"
SYMPY = "import sympy"
PEER = "peer"


@frozen(kw_only=True)
class Case:
    """One thing that is measured.

    Attributes
    ----------
    what, arguments : str, tuple of str
        In words; of dsocr, or after ``python -c`` where the first is no verb.
    goal : float or None
        How often the time of what is beside it at most.
    fresh : bool
        Whether nothing is cached before each run.
    beside : tuple of str
        What is measured in turn with it: arguments like its own.
    """

    what: str
    arguments: tuple[str, ...]
    goal: float | None
    fresh: bool = False
    beside: tuple[str, ...] = (SYMPY,)


def verb(what: str, line: str, goal: float | None, *, fresh: bool = False, beside: str = SYMPY) -> Case:
    """Return a case of a command line of dsocr; OUT in it is a folder that is emptied before each run."""
    other = ("dsocr", *shlex.split(beside)) if beside != SYMPY else (SYMPY,)
    return Case(what=what, arguments=("dsocr", *shlex.split(line)), goal=goal, fresh=fresh, beside=other)


CONFIG = f"totals --config {LLAMA.relative_to(ROOT)}"
PLAN = "plan --pages-per-day 35000 --gpus l4 --price l4=0.8 --execution served"
CASES: tuple[Case, ...] = (
    Case(what="importing the package", arguments=("import dsocr_symbolic",), goal=2.5, beside=("pass",)),
    verb("a later start", "totals", 0.5),
    verb("a first start", "totals", 3, fresh=True),
    verb("a first start of what is not shipped", "totals --attention eager --experts grouped", 3, fresh=True),
    verb("80 layers by config, later", CONFIG, 1.1, beside="totals"),
    verb("80 layers by config, first", CONFIG, None, fresh=True),
    verb("a layer alone", "totals --layer vision/image_encoder_vit --set batch=8 --set image_size=1024", 4),
    verb("formulas of few symbols", "totals --closed-form --set batch=1", 4),
    verb("the tree", "tree --depth 3", 4),
    verb("one formula", "formula prefill/layers.1-11/mlp/gate", 4),
    verb("the largest batch that fits", 'solve batch "peak_memory_bytes <= capacity" --gpu h200', 4),
    verb("requests before some are evicted", 'solve batch "preempted_share <= 0.01" --set new_tokens_spread=150', 4),
    verb("what a number hangs on", "sensitivity", 6),
    verb("the same at batch 1,000,000", "sensitivity --set batch=1000000", 1.5, beside="sensitivity"),
    verb("regime boundaries", "bounds", 4),
    verb("regime boundaries of every machine", "bounds --by gpu", 8),
    verb("two scenarios", "compare gpu=rtx5090 gpu=h200,batch=8", 4),
    verb("a plan", PLAN, 4),
    verb("a budget", "budget examples/budget.yaml", 4),
    verb(
        "a few points of a sweep", "sweep --vary batch=1,8,64 --vary gpu=rtx5090,h200 --metric roofline_s --by stage", 4
    ),
    verb("a check", "check examples/llama-3.1-8b.json", 4),
    verb("what there is", "layers", 4),
    verb("the explorer", "explore --out OUT/explorer.html", 4),
    verb("a workbook", "export --xlsx OUT/model.xlsx", 4),
    verb("a report with figures", "report --workload gundam --gpu rtx5090 --out OUT/report", 8),
    verb("a page of every formula", "docs --out OUT/docs", 12),
    verb("the same, nothing cached", "docs --out OUT/docs", None, fresh=True),
)
# What prints a report, too, by its module: measured where it is installed, such as by
# pip install --no-deps llm-analysis "fire<0.6" termcolor
PEERS: Mapping[str, str] = {
    "llm_analysis": "-m llm_analysis.analysis infer --model_name EleutherAI_gpt-neo-125m --gpu_name a100-sxm-80gb"
}
# Seconds of a first start and MiB of a report of a network of so many operators, at most.
MANY_SECONDS, MANY_MIB = 6, 300
# Pages of the shorter and of the longer document, and milliseconds that a page of it takes at most.
PAGES, PAGE_MS = (1_000, 10_000), 0.06
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
    backend: str
    goal: str
    most: float
    median: float


def cpu_seconds(arguments: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> float:
    """Return the CPU seconds of one process and those that it starts, with some more variables of the environment."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    dsocr = "from dsocr_symbolic.__main__ import main; main()"
    code, *rest = (dsocr, *arguments[1:]) if arguments[0] == "dsocr" else arguments
    python = [sys.executable, "-c", code, *(each.replace("OUT/", f"{out}/") for each in rest)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # A start without bytecode is nobody's.
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = rest if code == PEER else python
    path = os.pathsep.join(filter(None, (str(ROOT), known.get("PYTHONPATH", ""))))
    environment = {**known, **(more or {}), "DSOCR_CACHE": str(folder / "cache"), "PYTHONPATH": path}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, env=environment, cwd=ROOT, **quiet)  # type: ignore[call-overload]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(cases: Sequence[Case], rounds: int) -> Iterator[Taken]:
    """Run each case so often, what is beside it before each run."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for case in cases:
            if not case.fresh:
                cpu_seconds(case.arguments, folder)
            cpu_seconds(case.beside, folder)
            seconds, beside = [], []
            for _ in range(rounds):
                beside.append(cpu_seconds(case.beside, folder))
                if case.fresh:
                    shutil.rmtree(folder / "cache", ignore_errors=True)
                seconds.append(cpu_seconds(case.arguments, folder))
            yield Taken(case=case, seconds=tuple(seconds), beside=tuple(beside))


def grid(points: int) -> dict[str, Any]:
    """Return about so many points as a product grid: axes that broadcast."""
    from bench_sweep import OVER

    prompts = max(1, points // (32 * 9 * 70))
    axes = (range(1, 33), range(1, 4), range(1, 4), range(prompts), range(0, 700, 10))
    return dict(zip(OVER, np.ix_(*axes), strict=True))


def page_milliseconds(rounds: int) -> tuple[float, float]:
    """Return the least and the median milliseconds that one more page of a PDF takes, sizes drawn at random."""
    import pypdfium2

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        taken = []
        for count in PAGES:
            rng = random.Random(1)
            document = pypdfium2.PdfDocument.new()
            for _ in range(count):
                document.new_page(rng.randint(200, 1500), rng.randint(200, 1500))
            document.save(folder / f"{count}.pdf")
            line = ("dsocr", "totals", "--document", str(folder / f"{count}.pdf"))
            cpu_seconds(line, folder)
            taken.append([cpu_seconds(line, folder) for _ in range(rounds)])
    more = (PAGES[1] - PAGES[0]) / 1e3
    few, many = taken
    return (min(many) - min(few)) / more, (statistics.median(many) - statistics.median(few)) / more


def rates(points: int, rounds: int) -> Iterator[Speed]:
    """Yield points per second of wall time on all cores."""
    from bench_sweep import OVER
    from bench_sweep import points as drawn

    from dsocr_symbolic import load_model

    model, asked = load_model(), {"random": drawn(points), "product grid": grid(points)}
    backends = ("numpy", "c") if shutil.which(os.environ.get("CC") or "cc") else ("numpy",)
    for metrics, goal in METRICS.items():
        for backend in backends:
            function = model.compile(metrics, OVER, check=False, backend=backend)
            for kind, given in asked.items():
                if (kind, backend) == ("product grid", "c"):
                    # Axes that stay apart are numpy's whatever the backend.
                    continue
                count = next(iter(function(**given)[metrics[0]].values())).size
                times = []
                for _ in range(rounds):
                    start = time.perf_counter()
                    function(**given)
                    times.append(time.perf_counter() - start)
                yield Speed(
                    metrics=metrics,
                    kind=kind,
                    backend=backend,
                    goal=goal if kind == "random" else GRID_GOAL,
                    most=count / min(times),
                    median=count / statistics.median(times),
                )


def many_operators(rounds: int) -> tuple[float, float, float]:
    """Return CPU seconds of a first start with a network of very many operators, its MiB, and those of its report."""
    import many_operators as many

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        many.write(folder / "formulas-of-many")
        asked = {"DSOCR_PATH": str(folder / "formulas-of-many")}
        seconds = []
        for _ in range(rounds):
            shutil.rmtree(folder / "cache", ignore_errors=True)
            seconds.append(cpu_seconds(("dsocr", "totals", "--model", "many"), folder, asked))
        shutil.rmtree(folder / "cache", ignore_errors=True)
        start, report = (
            most_mib(("dsocr", *line), folder, asked)
            for line in (("totals", "--model", "many"), ("report", "--model", "many", "--out", "OUT/report"))
        )
    return min(seconds), start, report


def most_mib(arguments: Sequence[str], folder: Path, more: Mapping[str, str]) -> float:
    """Return the MiB that a process takes at most; a process of its own tells them of that one alone."""
    code = "import resource, sys; sys.path.insert(0, sys.argv[1]); import write_page; from pathlib import Path; "
    code += "write_page.cpu_seconds(sys.argv[4:], Path(sys.argv[2]), {'DSOCR_PATH': sys.argv[3]}); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", code, here, str(folder), more["DSOCR_PATH"], *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def row(taken: Taken) -> str:
    """Lay one case out: the goal beside what was reached."""
    case = taken.case
    seconds = (min(taken.seconds), statistics.median(taken.seconds))
    ratios = (seconds[0] / min(taken.beside), seconds[1] / statistics.median(taken.beside))
    beside = "" if case.beside == (SYMPY,) else f" of `{spelled(case.beside)}`"
    goal = "" if case.goal is None else f"{case.goal:g}x{beside}"
    reached = "" if case.goal is None else "yes" if ratios[0] <= case.goal else "no"
    cells = (f"{number:.{digits}f}" for number, digits in zip((*seconds, *ratios), (3, 3, 2, 2), strict=True))
    first = ", nothing cached" if case.fresh else ""
    return f"| {case.what} | `{spelled(case.arguments)}`{first} | {goal} | {reached} | {' | '.join(cells)} |"


def spelled(arguments: Sequence[str]) -> str:
    """Write a command as it is typed."""
    if arguments[0] == PEER:
        return shlex.join("python" if word == sys.executable else word for word in arguments[1:])
    return shlex.join(arguments) if arguments[0] == "dsocr" else f'python -c "{arguments[0]}"'


def page(
    taken: Sequence[Taken],
    pages: tuple[float, float],
    many: tuple[float, float, float],
    speeds: Sequence[Speed],
    said: str,
) -> str:
    """Lay the page out; what is said is of the machine."""
    lines = [
        "# Benchmarks",
        "",
        f"One run: {said}.",
        "",
        'CPU seconds of whole processes; ratios are to `python -c "import sympy"`, or to what the goal names, taken',
        "in turn with each: the least to the least, the median to the median. A goal is that of the least ratio.",
        "OUT is an empty folder. Repeat it with `pixi run benchmarks`; with `--peer NAME COMMAND` behind it another",
        "tool is measured in the same run, beside the same `import sympy`.",
        "",
        "| What | Command | Goal | Reached | Least, s | Median, s | Least ratio | Median ratio |",
        "|---|---|---|---|---:|---:|---:|---:|",
        *map(row, taken),
        "",
        f"One more page of a PDF, `dsocr totals --document`, {PAGES[0]:,} against {PAGES[1]:,} pages of random sizes:",
        f"{pages[0]:.3f} ms at least, {pages[1]:.3f} ms by medians; the goal is {PAGE_MS} ms.",
        "",
        "A network of 20,000 operators that stand in rows of their own (`tests/benchmarks/many_operators.py`), nothing",
        f"cached: `dsocr totals` takes {many[0]:.1f} s at least ({MANY_SECONDS} s is the goal) and {many[1]:.0f} MiB,",
        f"`dsocr report` behind it {many[2]:.0f} MiB ({MANY_MIB} MiB is the goal).",
    ]
    if speeds:
        lines += [
            "",
            "Points of every stage and the total in one call, over batch, crops, tokens, steps, in wall time:",
            "",
            "Backend c is numpy on product grids, whose axes stay apart.",
            "",
            "| Metrics | Points | Backend | Goal, points/s | Most | Median |",
            "|---|---|---|---:|---:|---:|",
            *(
                f"| {', '.join(each.metrics)} | {each.kind} | {each.backend} | {each.goal} | {each.most:.2g}"
                f" | {each.median:.2g} |"
                for each in speeds
            ),
        ]
    return "\n".join(lines) + "\n"


def machine(load: float) -> str:
    """Say what it is measured on, and how busy that was before and is behind the run."""
    cores, after = os.cpu_count() or 1, os.getloadavg()[0]
    # One process at a time is measured.
    busy = "others worked there meanwhile: repeat it on an idle one, " if max(load, after - 1) > cores / 4 else ""
    about = f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"
    return f"{about}, {busy}load {load:.1f} before and {after:.1f} behind it"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure and write the page of benchmarks.")
    parser.add_argument("file", nargs="?", type=Path, help="where to write it; printed where none is named")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each command")
    parser.add_argument("--only", action="append", help="only commands that hold this; may be repeated")
    parser.add_argument(
        "--peer", action="append", nargs=2, default=[], metavar=("NAME", "COMMAND"), help="another tool"
    )
    parser.add_argument("--points", type=int, default=4_000_000, help="points of a sweep")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    known = [case for case in CASES if not asked.only or any(word in spelled(case.arguments) for word in asked.only)]
    known += [
        Case(what=module, arguments=(PEER, sys.executable, *shlex.split(line)), goal=None)
        for module, line in PEERS.items()
        if find_spec(module) and not asked.only
    ]
    known += [Case(what=name, arguments=(PEER, *shlex.split(line)), goal=None) for name, line in asked.peer]
    taken = []
    for each in measure(known, asked.rounds):
        print(row(each), file=sys.stderr, flush=True)
        taken.append(each)
    speeds = list(rates(asked.points, asked.rounds)) if asked.points else []
    many = many_operators(min(asked.rounds, 3))
    text = page(taken, page_milliseconds(asked.rounds), many, speeds, machine(load))
    print(text, end="")
    if asked.file is not None:
        asked.file.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
