"""``dsocr calibrate``, ``dsocr measure`` and ``dsocr compare-measured``: seconds on the GPU at hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import whole_options
from dsocr_symbolic.writing.terminal import hung

if TYPE_CHECKING:
    from dsocr_symbolic.measurement.comparison.engine import EngineFile

# What --documents stands for without a folder; no folder is called so.
_MADE = "/made/"
_DOCUMENTS = (
    "Measure what pages take on the host, those of FOLDER or made ones: without --host that alone, which needs no GPU."
)


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
            click.Option(
                ["--documents"], metavar="[FOLDER]", is_flag=False, flag_value=_MADE, type=click.Path(), help=_DOCUMENTS
            ),
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
            click.Option(
                ["--execution"],
                type=click.Choice(("checkpoint", "served")),
                default="checkpoint",
                help="Parts as the network's own code runs them, or as a server does.",
            ),
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

    measure(given["out"], execution=given["execution"], only=given["only"], force=given["force"], say=_say)
    return 0


def _calibrate(given: dict[str, Any]) -> int:
    from dsocr_symbolic.questions.options import typed
    from dsocr_symbolic.verification.calls.requirements import importable

    for library in ("torch", "scipy"):
        importable(library)
    # The file says how it was made, not where it lay.
    command = typed().replace(str(given["out"]), Path(given["out"]).name)
    if given["documents"] is None:
        from dsocr_symbolic.measurement.calibrate import calibrate

        calibrate(given["out"], host=given["host"], force=given["force"], command=command, say=_say)
        return 0
    from dsocr_symbolic.measurement.pages.documents import calibrate_documents, host_text
    from dsocr_symbolic.writing.files import check_target, written_whole

    folder = None if given["documents"] == _MADE else Path(given["documents"])
    check_target(given["out"], force=given["force"])
    if given["host"]:
        from dsocr_symbolic.measurement.calibrate import calibrate

        pages = {"command": command, **calibrate_documents(folder, _say)}
        calibrate(given["out"], host=True, force=given["force"], command=command, say=_say, pages=pages)
        return 0
    text = host_text(calibrate_documents(folder, _say), command)
    with written_whole(given["out"]) as draft:
        draft.write_text(text, encoding="utf-8")
    _say(f"wrote {given['out']}")
    return 0


def compare_measured_command(definition: Definition) -> click.Command:
    """Make ``dsocr compare-measured``."""
    path = click.Path(path_type=Path)
    measured = click.Argument(["measured"], metavar="MEASURED", type=path)
    predicted = "JSON file of predictions; by default they are made now."
    return click.Command(
        "compare-measured",
        params=[
            measured,
            click.Option(["--predicted"], metavar="FILE", type=path, help=predicted),
            *whole_options(definition),
            click.Option(["--out"], metavar="DIR", type=path, help="Write comparison.md and comparison.svg here, too."),
            click.Option(["--format"], type=click.Choice(("text", "json")), default="text", help="Output."),
        ],
        callback=lambda **given: _compare_measured(definition, given),
        help=(
            "Hold what was measured against the formulas: the JSON of dsocr measure, the log of an engine's start, or"
            " the JSON of its serving benchmark (vLLM, SGLang); options of the workload are of an engine's files."
        ),
    )


def _compare_measured(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.measurement.comparison.engine import read_engine

    engine = read_engine(given["measured"])
    if engine is None:
        return _compare_seconds(definition, given)
    if given["predicted"] or given["out"]:
        raise UserError(f"{given['measured']}: is an engine's file: it has no --predicted and no --out; drop them")
    return _compare_engine(definition, engine, given)


def _compare_engine(definition: Definition, engine: "EngineFile", given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.measurement.comparison.engine_pairs import compare_engine
    from dsocr_symbolic.measurement.comparison.engine_text import engine_text
    from dsocr_symbolic.questions.options import asked_scenario, show
    from dsocr_symbolic.questions.question import of_scenario

    compared = compare_engine(engine, asked_scenario(definition, given))
    about = of_scenario(compared.scenario).described()
    document = {"schema": "dsocr compared engine 1", **about, "file": str(given["measured"]), "kind": compared.kind}
    document |= {"told": dict(compared.told), "ran": dict(engine.ran)}
    document["lines"] = [asdict(line) for line in compared.lines]
    return show(given, document, lambda: engine_text(compared, given["measured"].name))


def _compare_seconds(definition: Definition, given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.measurement.comparison.files import read_measured, read_predicted
    from dsocr_symbolic.measurement.comparison.pairs import compare, violations
    from dsocr_symbolic.measurement.comparison.prediction import predict_now
    from dsocr_symbolic.measurement.comparison.text import bound_line, comparison_text
    from dsocr_symbolic.questions.options import show
    from dsocr_symbolic.writing.files import check_folder, write_files

    path, out = given["measured"], given["out"]
    for option in whole_options(definition):
        if option.name not in ("gpu", "machine") and given[option.name or ""] not in (None, (), False):
            raise UserError(f"{option.opts[0]}: is of an engine's file; {path} says itself what was measured")
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
