"""Tables of what there is: models, GPUs, workloads, layers, symbols, metrics."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files, data_folders
from dsocr_symbolic.writing.terminal import on_terminal, table

Rows = Iterator[tuple[str, ...]]
_GPU_NUMBERS = {
    "bf16 TFLOP/s": ("tensor_bf16_flops_per_s", 1e12),
    "fp32 TFLOP/s": ("cuda_fp32_flops_per_s", 1e12),
    "GB/s": ("memory_bandwidth_bytes_per_s", 1e9),
    "usable GiB": ("usable_memory_bytes", 2**30),
}
_GPUS = "Dense peaks. ?: from memory, inferred, or sources conflict. Each GPU file names its sources."


def print_listing(definition: Definition, name: str, **_: Any) -> int:
    """Print one of the tables."""
    titles, rows = _TABLES[name]
    made = table(*titles)
    for row in rows(definition):
        made.add_row(*row)
    if name == "gpus":
        made.caption, made.caption_justify = _GPUS, "left"
    click.echo(on_terminal(made), nl=False)
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


def _models(definition: Definition) -> Rows:
    """Yield the model files."""
    from dsocr_symbolic.language.definition import load_definition

    for name, path in data_files("formulas/models").items():
        known = definition if definition.file == str(path) else load_definition(path)
        yield name, known.summary, path.name


def _gpus(_: Definition) -> Rows:
    """Yield the GPUs with the numbers that the time formulas use; ? marks an unverified one."""
    from dsocr_symbolic.scenario.hardware import load_gpus

    for gpu in load_gpus():
        cells = []
        for key, factor in _GPU_NUMBERS.values():
            number = gpu.numbers.get(key)
            mark = " ?" if number and number.unverified else ""
            cells.append("-" if number is None else f"{number.value_si / factor:.5g}{mark}")
        yield (gpu.name, gpu.title, *cells)


def _workloads(definition: Definition) -> Rows:
    """Yield the named workloads."""
    for name, workload in definition.workloads.items():
        default = " (default)" if name == definition.default_workload else ""
        sets = ", ".join(f"{key}={value}" for key, value in workload.values.items())
        yield name, workload.summary + default, sets


def _layers(_: Definition) -> Rows:
    """Yield the layers and operators."""
    from dsocr_symbolic.language.library import load_library

    layers = load_library().formulas.values()
    yield from sorted((f"{Path(layer.file).parent.name}/{layer.name}", layer.summary) for layer in layers)


def _symbols(definition: Definition) -> Rows:
    """Yield the model's symbols with default values."""
    for name, symbol in definition.quantities.items():
        config = f" [config.json: {symbol.config}]" if symbol.config else ""
        default = f"GPU: {symbol.gpu}" if symbol.gpu else symbol.formula.text
        yield name, default, symbol.group, symbol.meaning + config


def _metrics(_: Definition) -> Rows:
    """Yield the registry of metrics."""
    for name, metric in load_metrics().items():
        reason = f" ({metric.reason})" if metric.reason else ""
        yield name, metric.unit, metric.kind, metric.definition + reason


_TABLES: dict[str, tuple[tuple[str, ...], Callable[[Definition], Rows]]] = {
    "models": (("model", "what", "file"), _models),
    "gpus": (("gpu", "what", *_GPU_NUMBERS), _gpus),
    "workloads": (("workload", "what", "sets"), _workloads),
    "layers": (("layer", "what"), _layers),
    "symbols": (("symbol", "default", "group", "meaning"), _symbols),
    "metrics": (("metric", "unit", "kind", "definition"), _metrics),
}
