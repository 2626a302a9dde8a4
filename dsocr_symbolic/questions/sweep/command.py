"""``dsocr sweep``: metrics at every combination of values, as a table or a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options
from dsocr_symbolic.writing.terminal import progress

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


def sweep_command(definition: Definition) -> click.Command:
    """Make ``dsocr sweep``, with one option per choice of the model."""
    parameters = [
        click.Option(["--vary"], metavar="NAME=VALUES", multiple=True, help=_VARY),
        options.METRICS,
        click.Option(["--by"], metavar="total|stage|PATH", default="total", help="Of which part; total by default."),
        click.Option(["--out"], metavar="FILE", type=click.Path(path_type=Path), help=_OUT),
        click.Option(["--force"], is_flag=True, help="Replace a file that exists."),
        *options.whole_options(definition),
    ]
    return options.command(definition, "sweep", _sweep, parameters, "Metrics at every combination of values.")


def _sweep(definition: Definition, given: options.Given) -> int:
    from dsocr_symbolic.python_api import load_model
    from dsocr_symbolic.questions.sweep.axes import read_vary
    from dsocr_symbolic.questions.sweep.extras import extra
    from dsocr_symbolic.questions.sweep.plan import plan_sweep
    from dsocr_symbolic.questions.sweep.warned import warnings_along
    from dsocr_symbolic.writing.files import check_target

    out = given["out"]
    if out is not None:
        if out.suffix not in LIBRARIES:
            raise UserError(f"{out}: the name ends in none of {', '.join(LIBRARIES)}, which say what to write")
        check_target(out, force=given["force"], folder=out.suffix == ".parquet")
        for library in LIBRARIES[out.suffix]:
            extra(library)
    if not given["metrics"]:
        raise UserError("--metric: name one or more, such as --metric roofline_s; dsocr symbols --metrics lists them")
    vary = read_vary(definition, given["vary"])
    settings = options.asked_settings(definition, given)
    chosen = {name: option for name in definition.choices if (option := given[options.choice_key(name)]) is not None}
    named = {name: given[name] for name in ("workload", "gpu") if given[name] is not None}
    for name in (*chosen, *named):
        if name.replace("-", "_") in vary:
            raise UserError(f"--{name} and --vary {name}: give one of them")
    for name in options.MEMORY:
        if name in vary and given[name] is not None:
            raise UserError(f"--{name.replace('_', '-')} and --vary {name}: give one of them")
    picked = {name.replace("-", "_"): option for name, option in chosen.items()}
    with progress("compiling"):
        plan = plan_sweep(
            load_model(given["model"] or "deepseek-ocr", config=given["config"], **picked),
            metrics=given["metrics"],
            by=given["by"],
            settings=settings,
            waived=["allow_any_grid"] if given["allow_any_grid"] else [],
            **vary,
            **named,
        )
    if out is None:
        from dsocr_symbolic.questions.sweep.rows import table_text

        click.echo(table_text(plan), nl=False)
        return 0
    with progress("points", plan.count) as advance:
        _write(plan, out, advance, force=given["force"])
    options.warn(warnings_along(plan))
    click.echo(f"{out}: {plan.count:,} points of {', '.join(metric.name for metric in plan.metrics)}")
    return 0


def _write(plan: Any, out: Path, advance: Callable[[int], Any], *, force: bool) -> None:
    """Write a sweep in the format that a file's name says."""
    from dsocr_symbolic.questions.sweep.dataset import dataset, write_netcdf
    from dsocr_symbolic.questions.sweep.picture import check_numbers, write_picture
    from dsocr_symbolic.questions.sweep.rows import write_csv, write_parquet

    if out.suffix == ".parquet":
        write_parquet(plan, out, force=force, advance=advance)
    elif out.suffix == ".csv":
        write_csv(plan, out, advance)
    else:
        if out.suffix == ".svg":
            check_numbers(plan.count * len(plan.columns))
        data = dataset(plan, advance)
        (write_netcdf if out.suffix == ".nc" else write_picture)(data, out)
