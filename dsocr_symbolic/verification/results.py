"""What verification found, as JSON that is committed, and as the page that people read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.verification.mutants.killing import Killed
from dsocr_symbolic.verification.running import Outcome
from dsocr_symbolic.writing.templates import template

PARTS = ("reference", "training", "transformers", "checkpoint", "mutants")


def reports_folder() -> Path:
    """Return where committed results lie in a checkout."""
    return PACKAGE.parent / "reports"


def comparison_result(outcomes: Sequence[Outcome], versions: Mapping[str, str]) -> dict[str, Any]:
    """Sum up comparisons of one source: by layer, with proven cells by name.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In their order.
    versions : mapping of str to str
        Of Python and the libraries that counted.

    Returns
    -------
    dict
        JSON-ready and deterministic.
    """
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
    """Sum up gradient steps and peaks: by layer and metric, how far formula over count reaches.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In their order.
    versions : mapping of str to str
        Of Python and the libraries that counted.

    Returns
    -------
    dict
        JSON-ready and deterministic; a metric without a formula has null bounds.
    """
    layers: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        row = layers.setdefault(outcome.layer, {})
        wrong = {each.name for _, differences in outcome.differing for each in differences}
        for metric, ratio in outcome.ratios.items():
            cell = row.setdefault(metric, {"calls": 0, "differing": 0, "open": 0, "low": None, "high": None})
            cell["calls"] += 1
            cell["differing"] += metric in wrong
            cell["open"] += ratio is None
            if ratio is not None:
                rounded = round(ratio, 4)
                cell["low"] = rounded if cell["low"] is None else min(cell["low"], rounded)
                cell["high"] = rounded if cell["high"] is None else max(cell["high"], rounded)
    return {"versions": dict(versions), "layers": dict(sorted(layers.items()))}


def mutants_result(results: Iterable[Killed]) -> dict[str, Any]:
    """Sum up mutants: killed of total by layer, and each survivor with its reason."""
    from dsocr_symbolic.verification.mutants.killing import reason

    layers = {}
    survivors = []
    for each in results:
        layers[each.layer] = {"killed": sum(each.killed.values()), "total": sum(each.total.values())}
        survivors += [
            {"layer": other.layer, "place": other.place, "reason": reason(other) or "unexplained"}
            for other in each.survivors
        ]
    return {"layers": dict(sorted(layers.items())), "survivors": survivors}


def write_result(folder: Path, part: str, result: Mapping[str, Any]) -> None:
    """Write one part and the page anew.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    try:
        (folder / "verification").mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        (folder / "verification" / f"{part}.json").write_text(text, encoding="utf-8")
        (folder / "verification.md").write_text(page(folder), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from error


def page(folder: Path) -> str:
    """Render the page from the parts that are there."""
    from dsocr_symbolic.verification.calls.cases import UNCOUNTED

    parts = {}
    for part in PARTS:
        path = folder / "verification" / f"{part}.json"
        parts[part] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    rendered: str = template("verification.md.jinja").render(**parts, uncounted=UNCOUNTED)
    return rendered
