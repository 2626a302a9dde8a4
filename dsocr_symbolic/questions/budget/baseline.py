"""Per-node values of metrics, kept in a file for a later run to be held against."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.version import __version__
from dsocr_symbolic.writing.files import reason, said_if_unwritable, written_whole

SCHEMA = "dsocr baseline 1"
_WAY_OUT = "save one anew with --save-baseline"


@frozen(kw_only=True)
class NodeValues:
    """A metric of the whole, and of the nodes that it is made of.

    Attributes
    ----------
    total : int or float
        In the unit of the registry.
    nodes : mapping of str to number
        By path; nothing for a ratio, whose parts do not add up.
    """

    total: int | float
    nodes: Mapping[str, int | float]


@frozen(kw_only=True)
class KeptScenario:
    """What one machine and its settings gave.

    Attributes
    ----------
    asked : str
        Everything that it was asked of, in words.
    metrics : mapping of str to NodeValues
        By name of the registry.
    """

    asked: str
    metrics: Mapping[str, NodeValues]


@frozen(kw_only=True)
class Baseline:
    """What a budget's metrics were.

    Attributes
    ----------
    model : str
        The network.
    scenarios : mapping of str to KeptScenario
        By what an assertion says of its own.
    """

    model: str
    scenarios: Mapping[str, KeptScenario]


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline as JSON, whole or not at all."""
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "model": baseline.model,
        "scenarios": {
            own: {
                "asked": kept.asked,
                "metrics": {
                    name: {"total": value.total, "nodes": dict(value.nodes)} for name, value in kept.metrics.items()
                },
            }
            for own, kept in baseline.scenarios.items()
        },
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with said_if_unwritable(path), written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


def read_baseline(path: Path, model: str) -> Baseline:
    """Read the baseline of a network; that of another one is a UserError."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error).lower()}; {_WAY_OUT}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON, perhaps cut off; {_WAY_OUT}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else None
        raise UserError(f"{path}: its schema is {found!r}, this version reads '{SCHEMA}'; {_WAY_OUT}")
    if raw.get("model") != model:
        raise UserError(f"{path}: is a baseline of {raw.get('model')!r}, the budget is of '{model}'; {_WAY_OUT}")
    scenarios = {own: _kept(kept, f"{path}: {own}") for own, kept in _table(raw.get("scenarios"), str(path)).items()}
    return Baseline(model=model, scenarios=scenarios)


def _kept(raw: Any, where: str) -> KeptScenario:
    metrics = _table(_table(raw, where).get("metrics"), where)
    return KeptScenario(
        asked=str(raw.get("asked", "")),
        metrics={name: _values(value, f"{where}: {name}") for name, value in metrics.items()},
    )


def _table(raw: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected names and values, found {str(raw)[:40]!r}; {_WAY_OUT}")
    return raw


def _values(raw: Any, where: str) -> NodeValues:
    raw = _table(raw, where)
    nodes = {path: _number(value, f"{where}: {path}") for path, value in _table(raw.get("nodes"), where).items()}
    return NodeValues(total=_number(raw.get("total"), f"{where}: total"), nodes=nodes)


def _number(raw: Any, where: str) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not isfinite(raw):
        raise UserError(f"{where}: {str(raw)[:40]} is not a number; {_WAY_OUT}")
    return raw
