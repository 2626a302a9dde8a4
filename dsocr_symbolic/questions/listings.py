"""Lists of what there is: models, GPUs, workloads, layers, symbols, metrics; as tables, JSON and CSV."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Formula, Operator
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files, data_folders
from dsocr_symbolic.questions.options import MODEL
from dsocr_symbolic.writing.terminal import flowed, on_terminal, table

Rows = Iterator[tuple[str, ...]]
Records = Iterator[dict[str, Any]]
_GPU_NUMBERS = {
    "bf16 TFLOP/s": ("tensor_bf16_flops_per_s", 1e12),
    "fp32 TFLOP/s": ("cuda_fp32_flops_per_s", 1e12),
    "GB/s": ("memory_bandwidth_bytes_per_s", 1e9),
    "usable GiB": ("usable_memory_bytes", 2**30),
}
_GPUS = "Dense peaks. ?: from memory, inferred, or sources conflict. --format json has all numbers and their sources."
LISTINGS = {
    "models": "Networks that can be evaluated.",
    "gpus": "Machines and their numbers.",
    "workloads": "Named workloads of the model.",
    "layers": "Layers and operators with a formula file.",
    "symbols": "Symbols of the model: value, meaning.",
}


def _command(name: str, definition: Definition) -> click.Command:
    """Make the command of a list."""
    format_ = click.Option(
        ["--format"], type=click.Choice(("text", "json", "csv")), default="text", help="Output; json has all fields."
    )
    metrics = click.Option(["--metrics"], is_flag=True, help="List the metrics instead.")
    return click.Command(
        name,
        params=[MODEL, format_, *([metrics] if name == "symbols" else [])],
        callback=partial(_listing, definition, name),
        help=LISTINGS[name],
    )


models_command, gpus_command, workloads_command, layers_command, symbols_command = (
    partial(_command, name) for name in LISTINGS
)


def _listing(definition: Definition, name: str, **given: Any) -> int:
    listed = _LISTS["metrics" if given.get("metrics") else name]
    match given["format"]:
        case "json":
            click.echo(json.dumps(list(listed.records(definition)), indent=1, ensure_ascii=False))
        case "csv":
            click.echo(_csv(list((listed.flat or listed.records)(definition))), nl=False)
        case _:
            made = table(*listed.titles)
            for row in listed.rows(definition):
                made.add_row(*row)
            click.echo(on_terminal(made), nl=False)
            if name == "gpus":
                click.echo(flowed(_GPUS))
    return 0


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Write a row per record; what is no text and no number is JSON, what does not exist is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        plain = {
            key: value if value is None or isinstance(value, str | float) or type(value) is int else json.dumps(value)
            for key, value in record.items()
        }
        writer.writerow(plain)
    return buffer.getvalue()


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

    yield from sorted((_layer_name(layer), layer.summary) for layer in load_library().formulas.values())


def _layer_name(layer: Formula) -> str:
    return f"{Path(layer.file).parent.name}/{layer.name}"


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


def _model_records(definition: Definition) -> Records:
    from dsocr_symbolic.language.definition import load_definition

    for name, path in data_files("formulas/models").items():
        known = definition if definition.file == str(path) else load_definition(path)
        yield {
            "name": name,
            "summary": known.summary,
            "source": known.source,
            "file": path.name,
            "default_workload": known.default_workload,
            "default_gpu": known.default_gpu,
        }


def _gpu_records(_: Definition) -> Records:
    """Yield each GPU with every number, in SI units, and what its file says of it."""
    from dsocr_symbolic.scenario.hardware import load_gpus

    for gpu in load_gpus():
        numbers = {
            name: {
                "value": number.value_si,
                "unit": number.unit,
                "source": number.source,
                "unverified": number.unverified,
                "disagree": [
                    {"value": value, "source": other.source}
                    for value, other in zip(number.said_si[1:], number.disagree, strict=True)
                ],
            }
            for name, number in gpu.numbers.items()
        }
        yield {"name": gpu.name, "title": gpu.title, "chip": gpu.chip, "numbers": numbers, "notes": list(gpu.notes)}


def _gpu_numbers(definition: Definition) -> Records:
    """Yield a record for each number of each GPU."""
    for gpu in _gpu_records(definition):
        for name, number in gpu["numbers"].items():
            yield {"gpu": gpu["name"], "title": gpu["title"], "number": name, **number}


def _workload_records(definition: Definition) -> Records:
    for name, workload in definition.workloads.items():
        yield {
            "name": name,
            "summary": workload.summary,
            "default": name == definition.default_workload,
            "document": workload.document,
            "set": dict(workload.values),
        }


def _layer_records(_: Definition) -> Records:
    from dsocr_symbolic.language.library import load_library

    for layer in sorted(load_library().formulas.values(), key=_layer_name):
        yield {
            "name": _layer_name(layer),
            "kind": "operator" if isinstance(layer, Operator) else "layer",
            "summary": layer.summary,
            "class": layer.class_name or None,
            "source": layer.source or None,
        }


def _symbol_records(definition: Definition) -> Records:
    for name, symbol in definition.quantities.items():
        yield {
            "name": name,
            "group": symbol.group,
            "unit": symbol.unit or None,
            "default": None if symbol.gpu else symbol.formula.text,
            "gpu": list(symbol.gpu),
            "config": symbol.config or None,
            "fixed": symbol.fixed,
            "meaning": symbol.meaning,
        }


def _metric_records(_: Definition) -> Records:
    for name, metric in load_metrics().items():
        yield {
            "name": name,
            "unit": metric.unit,
            "kind": metric.kind,
            "definition": metric.definition,
            "null_because": metric.reason or None,
        }


@frozen(kw_only=True)
class _List:
    """A list of what there is: as a table, as records, and as flat records where these hold others."""

    titles: tuple[str, ...]
    rows: Callable[[Definition], Rows]
    records: Callable[[Definition], Records]
    flat: Callable[[Definition], Records] | None = None


_LISTS: dict[str, _List] = {
    "models": _List(titles=("model", "what", "file"), rows=_models, records=_model_records),
    "gpus": _List(
        titles=("gpu", "what", *(f">{title}" for title in _GPU_NUMBERS)),
        rows=_gpus,
        records=_gpu_records,
        flat=_gpu_numbers,
    ),
    "workloads": _List(titles=("workload", "what", "sets"), rows=_workloads, records=_workload_records),
    "layers": _List(titles=("layer", "what"), rows=_layers, records=_layer_records),
    "symbols": _List(titles=("symbol", "default", "group", "meaning"), rows=_symbols, records=_symbol_records),
    "metrics": _List(titles=("metric", "unit", "kind", "definition"), rows=_metrics, records=_metric_records),
}
