"""What ``dsocr verify`` does: count, compare, say what differs, write the results and the page that people read."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.verification.calls.cases import uncounted
from dsocr_symbolic.verification.calls.comparison import Difference, compare
from dsocr_symbolic.verification.calls.requirements import (
    importable,
    require_torch,
    require_transformers,
    require_transformers_for_checkpoint,
)
from dsocr_symbolic.verification.content import content_digest
from dsocr_symbolic.verification.mutants import running as mutants_running
from dsocr_symbolic.verification.running import Outcome, in_order, jobs, run_all, single_outcome
from dsocr_symbolic.verification.workers import workers
from dsocr_symbolic.writing import files
from dsocr_symbolic.writing.files import said_if_unwritable, written_whole
from dsocr_symbolic.writing.templates import template
from dsocr_symbolic.writing.terminal import tracked

if TYPE_CHECKING:
    from dsocr_symbolic.verification.networks.comparison import NetworkCount

Say = Callable[[str], None]
_SHOWN = 20
PARTS = ("reference", "training", "transformers", "networks", "checkpoint", "mutants")


def verify(*, out: Path | None, mutants: bool, say: Say) -> int:
    """Compare every formula with the reference and with a library's parts; results go below ``out``, if it is given.

    The status is 0 if everything agrees, else 1.
    """
    require_torch()
    require_transformers()
    importable("transformers")
    done = tracked(run_all(workers()), "verifying", len(jobs()))
    outcomes = in_order(outcome for job in done for outcome in job)
    status = 0
    for part, libraries, result in (
        ("reference", ("torch",), comparison_result),
        ("training", ("torch",), training_result),
        ("transformers", ("torch", "transformers"), comparison_result),
    ):
        own = [outcome for outcome in outcomes if outcome.source.partition(" ")[0] == part]
        status |= _report(part, own, say)
        _write(out, part, result(own, _versions(*libraries)))
    status |= _verify_networks(out, say)
    return status | (_run_mutants(out, say) if mutants else 0)


def _verify_networks(out: Path | None, say: Say) -> int:
    """Compare every network that names its oracle with transformers, at the configs of the proofs."""
    from dsocr_symbolic.verification.networks.comparison import networks_file, proven, summed_up

    names = list(networks_file().networks)
    counts = [count for name in tracked(iter(names), "networks", len(names)) for count in proven(name)]
    networks = summed_up(counts)
    for name, row in networks.items():
        _say_network(name, [count for count in counts if count.network == name], row, say)
    _write(out, "networks", {"versions": _versions("torch", "transformers"), "networks": networks})
    return int(any(not count.agrees for count in counts))


def _say_network(name: str, counts: "Sequence[NetworkCount]", row: Mapping[str, Any], say: Say) -> None:
    differing = [count for count in counts if not count.agrees]
    configs = len(row["configs"])
    plural = "s" if configs > 1 else ""
    say(f"{name}: {len(counts)} numbers at {configs} config{plural} compared, {len(differing)} differ")
    for count in differing[:_SHOWN]:
        batch, prompt, new = count.workload
        where = f"{count.config}, batch {batch}, {prompt} + {new} tokens: {count.stage} {count.metric}"
        say(f"  {where}: formula {count.formula}, counted {count.counted}, difference {count.formula - count.counted}")


def verify_network(name: str | None, config: Path | None, say: Say) -> int:
    """Compare one network with transformers, at a config.json or those of the proofs, and say what it does not claim.

    The status is 0 if everything agrees, else 1.
    """
    from dsocr_symbolic.language.lookup import find_definition
    from dsocr_symbolic.scenario.config_files import find_config
    from dsocr_symbolic.scenario.configs import find_network
    from dsocr_symbolic.verification.networks.comparison import across_edges, compared, proven, summed_up

    require_transformers()
    importable("transformers")
    path = find_config(config) if config is not None else None
    definition = find_definition(name) if name is not None else find_network(path) if path is not None else None
    assert definition is not None  # noqa: S101 - the command asks for one of them
    if path is not None:
        counts = list(compared(definition, path, path.name, across_edges(definition, path)))
    else:
        counts = list(proven(definition.name))
    if not counts:
        raise UserError(
            f"{definition.name}: no config of it stands in formulas/proofs/networks.yaml; give one with --config"
        )
    _say_network(definition.name, counts, summed_up(counts)[definition.name], say)
    for part in definition.claims_no:
        say(f"  not claimed: {', '.join(part.metrics)}: {part.because}")
    return int(any(not count.agrees for count in counts))


def verify_checkpoint(folder: Path, *, trusted: bool, out: Path | None, say: Say) -> int:
    """Compare every formula with the modules of a snapshot; without trust in its code, say what would run and stop.

    The status is 0 if everything agrees or nothing ran, else 1.
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
    outcomes = in_order(single_outcome(compare(counted)) for counted in checkpoint_counts(folder))
    libraries = ("torch", "transformers", "einops", "easydict", "addict")
    status = _report("checkpoint", outcomes, say)
    _write(out, "checkpoint", comparison_result(outcomes, _versions(*libraries)))
    return status


def _run_mutants(out: Path | None, say: Say) -> int:
    """Try every mutant of every file; one that survives fails."""
    tried = tracked(mutants_running.run_all(workers()), "trying mutants", len(mutants_running.jobs()))
    result = mutants_running.result(dict(tried))
    rows = result["kinds"].values()
    killed, total = (sum(row[key] for row in rows) for key in ("killed", "mutants"))
    say(
        f"mutants: {killed} of {total} killed, {len(result['equivalent'])} equivalent,"
        f" {len(result['survivors'])} survive"
    )
    for survivor in result["survivors"]:
        say(f"  survives: {survivor['mutant']}")
    _write(out, "mutants", result)
    return int(bool(result["survivors"]))


def _report(name: str, outcomes: Sequence[Outcome], say: Say) -> int:
    """Say how many calls agree, and what differs where."""
    calls = sum(outcome.points for outcome in outcomes)
    proven = sum(outcome.proven for outcome in outcomes)
    differing = [(outcome, call) for outcome in outcomes for call in outcome.differing]
    cells = f", {proven} cells proven" if proven else ""
    layers = len({outcome.layer for outcome in outcomes})
    say(f"{name}: {calls} calls of {layers} layers compared{cells}, {len(differing)} differ")
    for outcome, (settings, differences) in differing[:_SHOWN]:
        shown = ", ".join(f"{key}={value}" for key, value in settings.items())
        say(f"  {outcome.layer} ({outcome.precision}) at {shown}")
        for difference in differences:
            numbers = f"formula {difference.formula}, counted {difference.counted}"
            say(f"    {difference.name}: {numbers}, difference {_gap(difference)}")
    unbuilt = sum(ratio is None for outcome in outcomes for ratio in outcome.ratios.values())
    if unbuilt:
        say(f"  {unbuilt} numbers are not compared: no formula is built yet")
    if len(differing) > _SHOWN:
        say(f"  ... and {len(differing) - _SHOWN} more calls")
    return int(bool(differing))


def _gap(difference: Difference) -> Any:
    if isinstance(difference.formula, tuple):
        return tuple(ours - theirs for ours, theirs in zip(difference.formula, difference.counted, strict=True))
    return difference.formula - difference.counted


def _versions(*libraries: str) -> dict[str, str]:
    """Say what counted, and of what content."""
    libraries_now = {name: version(name) for name in libraries}
    return {"Python": platform.python_version(), **libraries_now, "content": content_digest()}


def comparison_result(outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> dict[str, Any]:
    """Sum up comparisons of one source: by layer, with proven cells by name; JSON-ready, as the others are."""
    layers: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        blank: dict[str, Any] = {"proven": [], "calls": 0, "plain": 0, "autocast": 0, "differing": 0}
        row = layers.setdefault(outcome.layer, blank)
        row["calls"] += outcome.points
        row[outcome.precision] += outcome.points
        row["differing"] += len(outcome.differing)
        if outcome.proven:
            axes = ", ".join(f"{axis}^{degree}" for axis, degree in outcome.degrees.items() if degree)
            row["proven"].append(
                f"{outcome.name} ({outcome.precision}; {axes or 'one point'}; {outcome.points} points)"
            )
    return {"versions": dict(versions), "layers": dict(sorted(layers.items()))}


def training_result(outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> dict[str, Any]:
    """Sum up steps and peaks: by layer and metric, how far formula over count reaches; null without a formula.

    What a backward moves beside its formula stands there too, as a part of what the formula counts.
    """
    layers: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        row = layers.setdefault(outcome.layer, {})
        wrong = {difference.name for _, differences in outcome.differing for difference in differences}
        for metric, ratio in (*outcome.ratios.items(), *outcome.beside.items()):
            cell = row.setdefault(metric, {"calls": 0, "differing": 0, "open": 0, "low": None, "high": None})
            cell["calls"] += 1
            cell["differing"] += metric in wrong
            cell["open"] += ratio is None
            if ratio is not None:
                rounded = round(ratio, 4)
                cell["low"] = rounded if cell["low"] is None else min(cell["low"], rounded)
                cell["high"] = rounded if cell["high"] is None else max(cell["high"], rounded)
    return {"versions": dict(versions), "layers": dict(sorted(layers.items()))}


def check_folder(folder: Path) -> Path:
    """Return a folder that results may go to; what cannot take them is refused."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; results go into a folder")
    files.check_folder(folder)
    return folder


def _write(folder: Path | None, part: str, result: Mapping[str, Any]) -> None:
    """Write one part, and the page anew, if there is a folder for them."""
    if folder is None:
        return
    with said_if_unwritable(folder, "give another folder"):
        (folder / "verification").mkdir(parents=True, exist_ok=True)
        with written_whole(folder / "verification" / f"{part}.json") as draft:
            draft.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with written_whole(folder / "verification.md") as draft:
            draft.write_text(page(folder), encoding="utf-8")


def page(folder: Path) -> str:
    """Render the page from the parts that are there."""
    parts = {}
    for part in PARTS:
        path = folder / "verification" / f"{part}.json"
        parts[part] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    rendered: str = template("verification.md.jinja").render(**parts, uncounted=uncounted())
    return rendered
