"""Measure the parts that are predicted, on the GPU at hand, and write what was found after each of them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import check_known
from dsocr_symbolic.measurement.components import TimedCase
from dsocr_symbolic.measurement.measure import measure_cases
from dsocr_symbolic.measurement.prediction import load_components, parts
from dsocr_symbolic.writing.files import check_target, written_whole

BUDGET = 420.0
"""Seconds after which what is left is left out, and named."""
SERVED: Mapping[str, Any] = {"budget": 240.0, "rounds": 9}
"""The same of the served network, besides the time to compile it, and more rounds."""


def measure(out: Path, *, execution: str, only: str, force: bool, say: Callable[[str], None]) -> None:
    """Write a JSON file of what every part takes; one that exists is replaced with ``force`` alone.

    ``execution`` is ``checkpoint``, the parts as the network's own code runs them, or ``served``, as a server does.
    """
    check_target(out, force=force)
    components = load_components(execution)
    wanted = [name for name in only.split(",") if name]
    check_known(wanted, components, "--only", "component")
    cases = [
        TimedCase(component=part.component, mode=part.mode, settings=part.settings, choices=part.choices)
        for part in parts({name: entry for name, entry in components.items() if name in wanted or not wanted})
    ]

    def save(content: Mapping[str, Any]) -> None:
        with written_whole(out) as draft:
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    served = execution == "served"
    save(measure_cases(cases, say=say, save=save, served=served, **SERVED if served else {"budget": BUDGET}))
    say(f"wrote {out}")
