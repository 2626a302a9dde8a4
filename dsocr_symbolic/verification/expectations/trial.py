"""Hold files to what is stated of them, as they are or with one thing changed."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.strict_yaml import standing_in
from dsocr_symbolic.verification.expectations import (
    bound,
    cached,
    configs,
    counts,
    facts,
    flows,
    layout,
    machine,
    options,
    plausible,
    regimes,
    rules,
    sizes,
    stages,
    times,
    words,
)

_ROOMS = ("language", "network", "evaluation", "scenario", "questions", "verification.expectations")
_CACHING = tuple(f"dsocr_symbolic.{room}." for room in _ROOMS)
# What is stated of operators and layers, whatever their folders are: of bounds, and of what flows between calls.
FORMULAS, FLOWS = "formulas", "flows"
_OF_TREES = ("models", "conventions", FORMULAS, FLOWS)
Fact = tuple[str, Any, Any]
Statement = Callable[[], Iterable[Fact]]

# Kind of file, as its folder or name says -> what is stated of it, the quickest first.
STATEMENTS: Mapping[str, tuple[Statement, ...]] = {
    "machine": (
        machine.bare,
        machine.machine_numbers,
        plausible.machines,
        sizes.limits,
        times.rooflines,
        bound.lower_bounds,
    ),
    "conventions": (sizes.conventions, sizes.limits, plausible.conventions),
    "metrics": (counts.metrics, words.batches, times.rooflines, times.latencies, bound.lower_bounds, words.twins),
    "time": (bound.made_up, times.rooflines, bound.lower_bounds, words.twins),
    "bounds": (regimes.conditions,),
    FORMULAS: (bound.fewest, bound.numbered, bound.masked, bound.lower_bounds),
    FLOWS: (flows.sizes, cached.moved),
    "models": (
        *(
            words.defaults,
            words.roles,
            words.workloads,
            sizes.constants,
            options.options,
            sizes.limits,
            machine.machine_numbers,
        ),
        *(layout.derived, configs.configs, words.identity, rules.rules, rules.refusals),
        *(rules.warnings, words.servers, stages.stages, times.latencies, stages.trained),
        bound.lower_bounds,
    ),
}


def kind_of(file: Path) -> str:
    """Return which statements are of a file."""
    if {"operators", "layers"} & set(file.parts):
        return FORMULAS
    return file.stem if file.stem in STATEMENTS else file.parent.name


def contradicts(file: Path, content: Any, first: str = "", kind: str = "") -> str:
    """Say what a file's changed content contradicts; empty if nothing. The statement named ``first`` is the first."""
    kind = kind or kind_of(file)
    try:
        with standing_in(file, content):
            forget(kind)
            return contradiction(kind, first)
    finally:
        forget(kind)


def contradiction(kind: str, first: str = "") -> str:
    """Say what the files as they are contradict first; empty if nothing. A failure contradicts, too."""
    statements = sorted(STATEMENTS[kind], key=lambda statement: statement.__name__ != first)
    return next((found for statement in statements if (found := differing(statement, statement.__name__))), "")


def differing(statement: Statement, name: str) -> str:
    """Say what differs first from what is stated; empty if nothing."""
    try:
        for about, found, expected in statement():
            if found != expected:
                return f"{name}: {about}: {found}, not {expected}"
    except UserError as error:
        return f"{name}: refused: {error}"
    except (
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        return f"{name}: {type(error).__name__}: {error}"
    return ""


def forget(kind: str) -> None:
    """Forget every file that was read, and what was made of it; the tree only where the file has a part in it."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_CACHING):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and (value is not facts.tree_at or kind in _OF_TREES):
                    value.cache_clear()
