"""``dsocr calibrate``, ``dsocr measure`` and ``dsocr compare-measured``: seconds on the GPU at hand."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.writing.terminal import hung


def _say(line: str) -> None:
    click.echo(hung(line))


def _out(what: str) -> click.Option:
    return click.Option(["--out"], metavar="FILE", required=True, type=click.Path(path_type=Path), help=what)


def calibrate_command() -> click.Command:
    """Make ``dsocr calibrate``."""
    return click.Command(
        "calibrate",
        params=[
            _out("Machine file to write."),
            click.Option(["--host"], is_flag=True, help="Measure what launches cost on the host as well."),
            click.Option(["--force"], is_flag=True, help="Replace a file that is there."),
        ],
        callback=lambda **given: _calibrate(given),
        help="Measure the GPU at hand: constants of the time formulas, each with the measurements that fix it.",
    )


def measure_command() -> click.Command:
    """Make ``dsocr measure``."""
    return click.Command(
        "measure",
        params=[
            _out("JSON file to write."),
            click.Option(["--only"], metavar="NAME,NAME", default="", help="Components; all by default."),
            click.Option(["--force"], is_flag=True, help="Replace a file that is there."),
        ],
        callback=lambda **given: _measure(given),
        help="Measure the network's components on the GPU at hand, kernels and wall time.",
    )


def _measure(given: dict[str, Any]) -> int:
    from dsocr_symbolic.verification.calls.requirements import importable

    importable("torch")
    from dsocr_symbolic.measurement.measuring import measure

    measure(given["out"], only=given["only"], force=given["force"], say=_say)
    return 0


def _calibrate(given: dict[str, Any]) -> int:
    from dsocr_symbolic.questions.options import typed
    from dsocr_symbolic.verification.calls.requirements import importable

    for library in ("torch", "scipy"):
        importable(library)
    from dsocr_symbolic.measurement.calibrate import calibrate

    calibrate(given["out"], host=given["host"], force=given["force"], command=typed(), say=_say)
    return 0
