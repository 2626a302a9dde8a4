"""``dsocr sweep``: metrics at every combination of values, as a table or a file."""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options
from dsocr_symbolic.questions.server_options import flag, told
from dsocr_symbolic.writing.terminal import hung, progress

# What a file's name may end in -> the libraries that write it.
LIBRARIES = {
    ".parquet": ("pyarrow",),
    ".csv": (),
    ".nc": ("xarray", "h5netcdf", "h5py"),
    ".svg": ("xarray", "matplotlib"),
}
_VARY = (
    "Values of a symbol, choice, gpu, workload or crop_grid: batch=1,2,4, batch=1:128, batch=1:128:8 (FIRST:LAST:STEP),"
    " gpu=rtx5090,h200, crop_grid=all or none,2x1,3x2."
)
_OUT = "Write every point: .parquet (of any size, can be continued), .csv, .nc (xarray), .svg (a picture)."
_FORMAT = "Print the first points as a table, or every point; text by default."


def sweep_command(definition: Definition) -> click.Command:
    """Make ``dsocr sweep``, with one option per choice of the model."""
    parameters = [
        click.Option(["--vary"], metavar="NAME=VALUES", multiple=True, help=_VARY),
        options.METRICS,
        click.Option(["--by"], metavar="total|stage|PATH", default="total", help="Of which part; total by default."),
        click.Option(["--out"], metavar="FILE", type=click.Path(path_type=Path), help=_OUT),
        click.Option(["--force"], is_flag=True, help="Replace a file that exists."),
        click.Option(["--format"], type=click.Choice(("text", "csv", "json")), default="text", help=_FORMAT),
        click.Option(["--yes"], is_flag=True, help="Start a sweep of more than 100 million points without asking."),
        *options.whole_options(definition),
    ]
    return options.command(definition, "sweep", _sweep, parameters, "Metrics at every combination of values.")


def _sweep(definition: Definition, given: options.Given) -> int:
    from dsocr_symbolic.python_api import load_model
    from dsocr_symbolic.questions.sweep.axes import read_vary
    from dsocr_symbolic.questions.sweep.consent import ask_first
    from dsocr_symbolic.questions.sweep.plan import plan_sweep
    from dsocr_symbolic.questions.sweep.warned import warnings_along
    from dsocr_symbolic.scenario.scenario import refuse_idle
    from dsocr_symbolic.writing.files import said_if_unwritable

    out = given["out"]
    if out is not None:
        _check_out(out, given)
    if not given["metrics"]:
        raise UserError("--metric: name one or more, such as --metric roofline_s; dsocr symbols --metrics lists them")
    if given["force"] and out is None:
        raise UserError("--force replaces a file; name it with --out or drop --force")
    vary = read_vary(definition, given["vary"])
    settings = options.asked_settings(definition, given)
    chosen = {name: option for name in definition.choices if (option := given[options.choice_key(name)]) is not None}
    refuse_idle(definition, chosen, settings)
    named = {name: given[name] for name in ("workload", "gpu") if given[name] is not None}
    for name in (*chosen, *named):
        if name.replace("-", "_") in vary:
            raise UserError(f"--{name} and --vary {name}: give one of them")
    for name in ("reserve", *told()):
        if name in vary and given[name] is not None:
            raise UserError(f"{'--reserve' if name == 'reserve' else flag(name)} and --vary {name}: give one of them")
    picked = {name.replace("-", "_"): option for name, option in chosen.items()}
    arguments: dict[str, Any] = {
        "settings": settings,
        "waived": ["allow_any_grid"] if given["allow_any_grid"] else [],
    }
    with progress("compiling"):
        model = load_model(given["model"] or "deepseek-ocr", config=given["config"], **picked)
        plan = plan_sweep(
            model,
            metrics=given["metrics"],
            by=given["by"],
            command=options.typed(),
            **arguments,
            **vary,
            **named,
        )
    if out is None:
        options.doubt(plan.doubts)
        if given["format"] != "text":
            ask_first(plan, out, agreed=given["yes"])
        _print(plan, given["format"])
        return 0
    _check_size(plan, out)
    ask_first(plan, out, agreed=given["yes"])
    marks = None
    if out.suffix == ".svg":
        from dsocr_symbolic.questions.sweep.marks import marks_of, memory_plan

        with progress("memory"):
            marks = marks_of(plan, memory_plan(model, {**vary, **named}, **arguments))
    with progress("points", plan.count) as advance, said_if_unwritable(out):
        _write(plan, out, advance, marks, force=given["force"])
    options.warn(warnings_along(plan))
    click.echo(hung(f"{out}: {plan.count:,} points of {', '.join(metric.name for metric in plan.metrics)}"))
    return 0


def _check_out(out: Path, given: options.Given) -> None:
    """Refuse early a file that cannot be written."""
    from dsocr_symbolic.questions.sweep.extras import extra
    from dsocr_symbolic.questions.sweep.rows import companion
    from dsocr_symbolic.writing.files import check_target

    if given["format"] != "text":
        raise UserError(f"{out}: its name says what to write; drop --format or --out")
    if out.suffix not in LIBRARIES:
        raise UserError(f"{out}: the name ends in none of {', '.join(LIBRARIES)}, which say what to write")
    check_target(out, force=given["force"], folder=out.suffix == ".parquet")
    if out.suffix == ".csv":
        check_target(companion(out), force=given["force"])
    for library in LIBRARIES[out.suffix]:
        extra(library)


def _print(plan: Any, output: str) -> None:
    from dsocr_symbolic.questions.sweep.rows import print_csv, print_json, table_text
    from dsocr_symbolic.questions.sweep.warned import warnings_along

    if output == "text":
        click.echo(table_text(plan), nl=False)
        return
    # Rows on a terminal show by themselves how far it is.
    with progress("points", plan.count) if not sys.stdout.isatty() else nullcontext(lambda _: None) as advance:
        (print_json if output == "json" else print_csv)(plan, sys.stdout, advance)
    if output == "csv":
        options.warn(warnings_along(plan))


def _check_size(plan: Any, out: Path) -> None:
    """Refuse early what a format cannot hold."""
    from dsocr_symbolic.questions.sweep.dataset import check_memory
    from dsocr_symbolic.questions.sweep.picture import check_numbers

    if out.suffix == ".svg":
        check_numbers(plan.count * len(plan.columns))
    if out.suffix == ".nc":
        check_memory(plan)


def _write(plan: Any, out: Path, advance: Callable[[int], Any], marks: Any, *, force: bool) -> None:
    """Write a sweep in the format that a file's name says; ``marks`` are those of a picture."""
    from dsocr_symbolic.questions.sweep.dataset import dataset, write_netcdf
    from dsocr_symbolic.questions.sweep.picture import write_picture
    from dsocr_symbolic.questions.sweep.rows import write_companion, write_csv, write_parquet

    if out.suffix == ".parquet":
        write_parquet(plan, out, force=force, advance=advance)
    elif out.suffix == ".csv":
        write_csv(plan, out, advance)
        write_companion(plan, out)
    elif out.suffix == ".nc":
        said = {"overridden": json.dumps(plan.overridden), "command": plan.command}
        data = dataset(plan, advance)
        write_netcdf(data.assign_attrs({name: text for name, text in said.items() if text}), out)
    else:
        write_picture(dataset(plan, advance), out, marks)
