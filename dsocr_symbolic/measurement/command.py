"""``dsocr calibrate``, ``dsocr measure`` and ``dsocr compare-measured``: seconds on the GPU at hand."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError
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

    # The file says how it was made, not where it lay.
    command = typed().replace(str(given["out"]), Path(given["out"]).name)
    calibrate(given["out"], host=given["host"], force=given["force"], command=command, say=_say)
    return 0


def compare_measured_command() -> click.Command:
    """Make ``dsocr compare-measured``."""
    path = click.Path(path_type=Path)
    measured = click.Argument(["measured"], metavar="MEASURED", type=path)
    predicted = "JSON file of predictions; by default they are made now."
    return click.Command(
        "compare-measured",
        params=[
            measured,
            click.Option(["--predicted"], metavar="FILE", type=path, help=predicted),
            click.Option(
                ["--machine"],
                metavar="FILE",
                type=click.Path(),
                help="Machine file of dsocr calibrate to predict with.",
            ),
            click.Option(["--gpu"], metavar="NAME|FILE", help="Machine; by default the one that was measured."),
            click.Option(["--out"], metavar="DIR", type=path, help="Write comparison.md and comparison.svg here, too."),
            click.Option(["--format"], type=click.Choice(("text", "json")), default="text", help="Output."),
        ],
        callback=lambda **given: _compare_measured(given),
        help="Hold the seconds that dsocr measure found in MEASURED against those that the formulas give.",
    )


def _compare_measured(given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.measurement.comparison.files import read_measured, read_predicted
    from dsocr_symbolic.measurement.comparison.pairs import compare, violations
    from dsocr_symbolic.measurement.comparison.prediction import predict_now
    from dsocr_symbolic.measurement.comparison.text import bound_line, comparison_text
    from dsocr_symbolic.questions.options import show
    from dsocr_symbolic.writing.files import check_folder, write_files

    path, out = given["measured"], given["out"]
    if given["predicted"] and (given["machine"] or given["gpu"]):
        raise UserError("--predicted: its predictions are made already; drop it, or --machine and --gpu")
    if out:
        check_folder(out)
    measured = read_measured(path)
    if given["predicted"]:
        predicted = read_predicted(given["predicted"])
    else:
        predicted = predict_now(measured, path, gpu=given["gpu"], machine=given["machine"])
    comparison = compare(measured, predicted)
    if out:
        from dsocr_symbolic.measurement.comparison.page import comparison_files

        texts = comparison_files(comparison, path.name)
        write_files(out, texts)
        click.echo(hung(f"{out}: {', '.join(sorted(texts))}"), err=True)
    document = {"schema": "dsocr compared 1", "comparison": asdict(comparison), "warnings": list(comparison.unpaired)}
    show(given, document, lambda: comparison_text(comparison))
    broken = violations(comparison)
    for case in broken:
        click.echo(f"dsocr: {bound_line(case)}", err=True)
    return 3 if broken else 0
