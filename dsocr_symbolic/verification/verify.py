"""What ``dsocr verify`` does: count, compare, say what differs, write the results."""

import os
import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.verification.calls.requirements import (
    require_torch,
    require_transformers,
    require_transformers_for_checkpoint,
)
from dsocr_symbolic.verification.results import comparison_result, mutants_result, training_result, write_result
from dsocr_symbolic.verification.running import Outcome, in_order, jobs, run_all, single_outcome
from dsocr_symbolic.writing.terminal import tracked

Say = Callable[[str], None]


_SHOWN = 20


def verify(*, out: Path | None, mutants: bool, say: Say) -> int:
    """Compare every formula with the reference, and with a library where one is installed.

    Parameters
    ----------
    out : Path or None
        Folder for results; None writes none.
    mutants : bool
        Whether to run mutants as well.
    say : callable
        Prints a line.

    Returns
    -------
    int
        0 if everything agrees, else 1.

    Raises
    ------
    UserError
        If torch or transformers is missing or of another version.
    """
    require_torch()
    require_transformers()
    found = tracked(run_all(os.cpu_count() or 1), "verifying", len(jobs()))
    outcomes = in_order(outcome for job in found for outcome in job)
    status = 0
    for part, libraries, result in (
        ("reference", ("torch",), comparison_result),
        ("training", ("torch",), training_result),
        ("transformers", ("torch", "transformers"), comparison_result),
    ):
        own = [each for each in outcomes if each.source.partition(" ")[0] == part]
        status |= _report(part, own, say)
        if out is not None:
            write_result(out, part, result(own, _versions(*libraries)))
    if mutants:
        status |= run_mutants(out=out, say=say)
    return status


def verify_checkpoint(folder: Path, *, trusted: bool, out: Path | None, say: Say) -> int:
    """Compare every formula with the modules of a snapshot.

    Parameters
    ----------
    folder : Path
        config.json and the network's Python files.
    trusted : bool
        Whether their code may run; without it this says what would run, and stops.
    out : Path or None
        Folder for results; None writes none.
    say : callable
        Prints a line.

    Returns
    -------
    int
        0 if everything agrees or nothing ran, else 1.

    Raises
    ------
    UserError
        If the folder is no snapshot of this network, or a library is missing or of another version.
    """
    from dsocr_symbolic.verification.checkpoint.calls import checkpoint_counts
    from dsocr_symbolic.verification.checkpoint.snapshot import checkpoint_plan

    plan = checkpoint_plan(folder)
    if not trusted:
        for line in [*plan, "Nothing was executed; --trust-remote-code runs it."]:
            say(line)
        return 0
    require_torch()
    require_transformers_for_checkpoint()
    outcomes = _compared(checkpoint_counts(folder))
    status = _report("checkpoint", outcomes, say)
    if out is not None:
        libraries = ("torch", "transformers", "einops", "easydict", "addict")
        write_result(out, "checkpoint", comparison_result(outcomes, _versions(*libraries)))
    return status


def run_mutants(*, out: Path | None, say: Say) -> int:
    """Run every mutant of every formula; unexplained survivors fail."""
    from dsocr_symbolic.verification.mutants.killing import counts_for, kill, mutated_layers

    layers = mutated_layers()
    results = list(tracked((kill(layer, counts_for(layer)) for layer in layers), "verifying", len(layers)))
    result = mutants_result(results)
    killed, total = (sum(row[key] for row in result["layers"].values()) for key in ("killed", "total"))
    say(f"mutants: {killed} of {total} killed, {len(result['survivors'])} survive")
    unexplained = [each for each in result["survivors"] if each["reason"] == "unexplained"]
    for each in unexplained:
        say(f"  survives without a reason: {each['layer']}: {each['place']}")
    if out is not None:
        write_result(out, "mutants", result)
    return int(bool(unexplained))


def _compared(counts: Iterable[Any]) -> list[Outcome]:
    from dsocr_symbolic.verification.calls.comparison import compare

    return in_order(single_outcome(compare(each)) for each in counts)


def _report(name: str, outcomes: list[Outcome], say: Say) -> int:
    """Say how many calls agree, and what differs where."""
    calls = sum(outcome.points for outcome in outcomes)
    proven = sum(outcome.proven for outcome in outcomes)
    differing = [(outcome, each) for outcome in outcomes for each in outcome.differing]
    cells = f", {proven} cells proven" if proven else ""
    layers = len({each.layer for each in outcomes})
    say(f"{name}: {calls} calls of {layers} layers compared{cells}, {len(differing)} differ")
    for outcome, (settings, differences) in differing[:_SHOWN]:
        shown = ", ".join(f"{key}={value}" for key, value in settings.items())
        say(f"  {outcome.layer} ({outcome.precision}) at {shown}")
        for each in differences:
            say(f"    {each.name}: formula {each.formula}, counted {each.counted}, difference {_gap(each)}")
    unbuilt = sum(ratio is None for outcome in outcomes for ratio in outcome.ratios.values())
    if unbuilt:
        say(f"  {unbuilt} numbers are not compared: no formula is built yet")
    if len(differing) > _SHOWN:
        say(f"  ... and {len(differing) - _SHOWN} more calls")
    return int(bool(differing))


def _gap(difference: Any) -> Any:
    if isinstance(difference.formula, tuple):
        return tuple(ours - theirs for ours, theirs in zip(difference.formula, difference.counted, strict=True))
    return difference.formula - difference.counted


def _versions(*libraries: str) -> dict[str, str]:
    return {"Python": platform.python_version(), **{name: version(name) for name in libraries}}


def check_folder(folder: Path) -> Path:
    """Return a folder that results may go to.

    Raises
    ------
    UserError
        If it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; results go into a folder")
    return folder
