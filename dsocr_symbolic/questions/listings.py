"""Tables of what there is: models, GPUs, workloads, layers, symbols, metrics."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files, data_folders
from dsocr_symbolic.writing.terminal import on_terminal, table


def _listing(definition: Definition, name: str) -> Any:
    return lambda **_: _print_listing(definition, name)


def _print_listing(definition: Definition, name: str) -> int:
    click.echo(on_terminal(_TABLES[name](definition)), nl=False)
    return 0


def schema_command() -> click.Command:
    """Print where the JSON Schema of each kind of YAML file lies, or of one kind."""

    def show(kind: str | None) -> int:
        files = {path.stem: path for path in sorted(data_folders("formulas/schema")[-1].glob("*.json"))}
        if kind is not None and kind not in files:
            raise UserError(f"unknown kind of file '{kind}': {nearest(kind, files)}")
        width = max(map(len, files))
        lines = [str(files[kind])] if kind else [f"{name:{width}}  {path}" for name, path in files.items()]
        click.echo("\n".join(lines))
        return 0

    text = "JSON Schemas of YAML files, for editors: the paths, or that of one KIND."
    return click.Command("schema", params=[click.Argument(["kind"], required=False)], callback=show, help=text)


def models_table(definition: Definition) -> Any:
    """List the model files."""
    from dsocr_symbolic.language.definition import load_definition

    rows = table("model", "what", "file")
    for name, path in data_files("formulas/models").items():
        known = definition if definition.file == str(path) else load_definition(path)
        rows.add_row(name, known.summary, path.name)
    return rows


def gpus_table(_: Definition) -> Any:
    """List the GPUs with the numbers that the time formulas use; ? marks an unverified one."""
    from dsocr_symbolic.scenario.hardware import load_gpus

    columns = {
        "bf16 TFLOP/s": ("tensor_bf16_flops_per_s", 1e12),
        "fp32 TFLOP/s": ("cuda_fp32_flops_per_s", 1e12),
        "GB/s": ("memory_bandwidth_bytes_per_s", 1e9),
        "usable GiB": ("usable_memory_bytes", 2**30),
    }
    rows = table("gpu", "what", *columns)
    for gpu in load_gpus():
        cells = []
        for key, factor in columns.values():
            number = gpu.numbers.get(key)
            mark = " ?" if number and number.unverified else ""
            cells.append("-" if number is None else f"{number.value_si / factor:.5g}{mark}")
        rows.add_row(gpu.name, gpu.title, *cells)
    rows.caption = "Dense peaks. ?: from memory, inferred, or sources conflict. Each GPU file names its sources."
    rows.caption_justify = "left"
    return rows


def workloads_table(definition: Definition) -> Any:
    """List the named workloads."""
    rows = table("workload", "what", "sets")
    for name, each in definition.workloads.items():
        default = " (default)" if name == definition.default_workload else ""
        rows.add_row(name, each.summary + default, ", ".join(f"{key}={value}" for key, value in each.values.items()))
    return rows


def layers_table(_: Definition) -> Any:
    """List the layers and operators."""
    from dsocr_symbolic.language.library import load_library

    rows = table("layer", "what")
    formulas = {f"{Path(each.file).parent.name}/{each.name}": each for each in load_library().formulas.values()}
    for name, formula in sorted(formulas.items()):
        rows.add_row(name, formula.summary)
    return rows


def symbols_table(definition: Definition) -> Any:
    """List the model's symbols with default values."""
    rows = table("symbol", "default", "group", "meaning")
    for name, each in definition.quantities.items():
        config = f" [config.json: {each.config}]" if each.config else ""
        default = f"GPU: {each.gpu}" if each.gpu else each.formula.text
        rows.add_row(name, default, each.group, each.meaning + config.replace("[", r"\["))
    return rows


def metrics_table(_: Definition) -> Any:
    """List the registry of metrics."""
    rows = table("metric", "unit", "kind", "definition")
    for name, metric in load_metrics().items():
        reason = f" ({metric.reason})" if metric.reason else ""
        rows.add_row(name, metric.unit, metric.kind, metric.definition + reason)
    return rows


_TABLES = {
    "models": models_table,
    "gpus": gpus_table,
    "workloads": workloads_table,
    "layers": layers_table,
    "symbols": symbols_table,
    "metrics": metrics_table,
}
