"""The analysis as files: JSON, Markdown, Mermaid and Graphviz text, equal on every run."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import attrs

from dsocr_symbolic.verification.torchinfo.analysis import Analysis, Edge, UniqueLayer
from dsocr_symbolic.verification.torchinfo.calls import PROMPT_TOKENS
from dsocr_symbolic.verification.torchinfo.check import KNOWN, SUMS, missing
from dsocr_symbolic.verification.torchinfo.naming import class_name
from dsocr_symbolic.verification.torchinfo.structure import STAGES

_COLOURS: Mapping[str, str] = {
    "vision": "#cfe8ff",
    "projector": "#fff0c2",
    "prefill": "#d9f2d0",
    "torch": "#eeeeee",
}


def report_texts(analysis: Analysis) -> dict[str, str]:
    """Write every report.

    Parameters
    ----------
    analysis : Analysis
        What to report; without stages and calls their files are left out.

    Returns
    -------
    dict of str to str
        File name -> text.
    """
    from dsocr_symbolic.writing.data import to_json

    values = _values(analysis)
    texts = {
        "summary.md": _rendered("torchinfo_summary.md.jinja", values),
        "unique-layers.json": to_json(_layers(analysis)),
        "unique-layers.md": _rendered("torchinfo_unique_layers.md.jinja", values),
    }
    if analysis.stages:
        texts |= {
            "stages.json": to_json({"stages": [attrs.asdict(stage) for stage in analysis.stages]}),
            "call-graph.json": to_json(_graph(analysis)),
            "call-graph.mmd": _rendered("torchinfo_call_graph.mmd.jinja", values),
            "call-graph.dot": _rendered("torchinfo_call_graph.dot.jinja", values),
        }
    return dict(sorted(texts.items()))


def write_reports(analysis: Analysis, folder: Path) -> list[Path]:
    """Write every report into a folder.

    Parameters
    ----------
    analysis : Analysis
        What to report.
    folder : Path
        Made if need be.

    Returns
    -------
    list of Path
        The files, by name.

    Raises
    ------
    UserError
        If the folder cannot be written to.
    """
    from dsocr_symbolic.errors import UserError

    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in report_texts(analysis).items():
            paths.append(folder / name)
            paths[-1].write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; give another folder with --out") from error
    return paths


def _rendered(name: str, values: Mapping[str, Any]) -> str:
    from dsocr_symbolic.writing.templates import template

    text: str = template(name).render(values)
    return text


def _layers(analysis: Analysis) -> dict[str, Any]:
    return {
        "total_params": analysis.parameters,
        "num_unique_layers": len(analysis.layers),
        "layers": [_layer(layer) for layer in analysis.layers],
    }


def _layer(layer: UniqueLayer) -> dict[str, Any]:
    return {"class_name_qualified": layer.qualified_name, **attrs.asdict(layer, filter=_is_not_its_name)}


def _is_not_its_name(attribute: Any, _: object) -> bool:
    return str(attribute.name) != "qualified_name"


def _nodes(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the classes that run, each in the group of the first stage that calls it."""
    called: dict[str, set[str]] = {edge.parent: set() for edge in analysis.edges}
    for edge in analysis.edges:
        called.setdefault(edge.child, set()).update(edge.calls)
    return [
        {
            "id": layer.class_name,
            "label": f"{layer.class_name} x{layer.count}" if layer.count > 1 else layer.class_name,
            "class_name_qualified": layer.qualified_name,
            "instances": layer.count,
            "own_parameters": layer.own_parameters,
            "group": _group(layer, called[layer.qualified_name]),
        }
        for layer in analysis.layers
        if layer.qualified_name in called
    ]


def _group(layer: UniqueLayer, called_in: Collection[str]) -> str:
    if layer.is_torch_builtin:
        return "torch"
    return next((name for name in STAGES if name in called_in), "prefill")


def _graph(analysis: Analysis) -> dict[str, Any]:
    return {
        "calls": "per forward: vision, projector and prefill of one prefill with an image, decode of one step",
        "nodes": [{key: value for key, value in node.items() if key != "label"} for node in _nodes(analysis)],
        "edges": [
            {
                "parent": class_name(edge.parent),
                "child": class_name(edge.child),
                "calls": dict(edge.calls),
                "slots": {slot: dict(calls) for slot, calls in edge.slots.items()},
            }
            for edge in analysis.edges
        ],
    }


def _edge_label(edge: Edge) -> str:
    """Print calls in prefill, and those in a decode step behind a slash."""
    decode = edge.calls.get("decode", 0)
    prefill = sum(edge.calls.values()) - decode
    return f"{prefill} / {decode}" if decode else str(prefill)


def _values(analysis: Analysis) -> dict[str, Any]:
    """Return what the templates use."""
    counts = {layer.class_name: layer.count for layer in analysis.layers}
    rows = analysis.torchinfo.rows
    return {
        "analysis": analysis,
        "torchinfo": analysis.torchinfo,
        "layers": analysis.layers,
        "functions": [layer for layer in analysis.layers if layer.called_as == "function"],
        "sums": {class_name(each) for each in SUMS},
        "known": len(KNOWN),
        "beyond": [layer.class_name for layer in analysis.layers if layer.class_name not in KNOWN],
        "problems": missing(analysis),
        "inflated": [(name, counts[name], rows.get(name, 0)) for name in counts if rows.get(name, 0) != counts[name]],
        "nodes": _nodes(analysis),
        "edges": [(class_name(each.parent), class_name(each.child), _edge_label(each)) for each in analysis.edges],
        "bare": lambda names: ", ".join(class_name(each) for each in names) or "-",
        "colours": _COLOURS,
        "prompt_tokens": PROMPT_TOKENS,
    }
