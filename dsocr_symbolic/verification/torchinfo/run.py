"""``dsocr torchinfo``: unique layers, stages and who calls whom, and whether every layer has a formula.

TorchInfo's table is shown as it is. Counts are ours: modules from the module tree, calls from a forward. The files are
JSON, Markdown, Mermaid and Graphviz text, equal on every run.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.verification.torchinfo.analysis import (
    PROMPT_TOKENS,
    STAGES,
    Analysis,
    Edge,
    Forwards,
    edges,
    stages,
    unique_layers,
)
from dsocr_symbolic.verification.torchinfo.naming import class_name, qualified_name
from dsocr_symbolic.writing.data import to_json
from dsocr_symbolic.writing.files import write_files
from dsocr_symbolic.writing.templates import template

if TYPE_CHECKING:
    from torch import nn

KNOWN = (
    *("GELU", "SiLU", "ModuleList", "Sequential", "Conv2d", "Linear", "LayerNorm", "Embedding"),
    *("LlamaFlashAttention2", "LlamaRotaryEmbedding"),
    *("Attention", "Block", "CLIPVisionEmbeddings", "ImageEncoderViT", "LayerNorm2d", "MLPBlock", "MlpProjector"),
    *("NoTPAttention", "NoTPFeedForward", "NoTPTransformer", "NoTPTransformerBlock", "PatchEmbed", "VitModel"),
    *("DeepseekOCRModel", "DeepseekV2DecoderLayer", "DeepseekV2MLP", "DeepseekV2MoE", "DeepseekV2RMSNorm", "MoEGate"),
)
"""The unique layers that TorchInfo lists for DeepseekOCRModel; the head above it adds its own class."""
SUMS = frozenset({"torch.nn.modules.container.ModuleList", "torch.nn.modules.container.Sequential"})
"""Classes that only hold others: they cost the sum of what they hold."""
# The attention choice swaps this class.
_EITHER = {"LlamaFlashAttention2": "LlamaAttention"}
_COLOURS: Mapping[str, str] = {"vision": "#cfe8ff", "projector": "#fff0c2", "prefill": "#d9f2d0", "torch": "#eeeeee"}


class MissingLayersError(UserError):
    """The check failed; the reports are written all the same.

    Attributes
    ----------
    lines : list of str
        What was written, then each layer that is missing.
    status : int
        The command's exit code.
    """

    status = 1

    def __init__(self, lines: list[str], problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.lines = [*lines, *problems]


def run(out: Path, checkpoint: Path | None = None, trust_remote_code: bool = False) -> list[str]:
    """Write the reports, of the reference without a checkpoint, and check that every layer has a formula.

    Returns lines to print: files and the result of the check, or what would be executed if the snapshot's code is not
    trusted. Raises MissingLayersError once the reports are written, and UserError without torch or torchinfo.
    """
    if absent := [name for name in ("torch", "torchinfo") if importlib.util.find_spec(name) is None]:
        raise UserError(f"torchinfo: needs {' and '.join(absent)}; pip install 'dsocr_symbolic[verify]'")
    if checkpoint is None:
        from dsocr_symbolic.verification.reference.build import build

        analysis = analyse(build())
    elif not trust_remote_code:
        from dsocr_symbolic.verification.checkpoint.snapshot import checkpoint_plan

        return checkpoint_plan(checkpoint)
    else:
        from dsocr_symbolic.verification.checkpoint.calls import load_network

        analysis = analyse(load_network(checkpoint))
    lines = [f"wrote {path}" for path in write_reports(analysis, out)]
    if problems := missing(analysis):
        raise MissingLayersError(lines, problems)
    return [
        *lines,
        f"{len(analysis.layers)} unique layers, {analysis.parameters:,} parameters",
        f"check passed: all {len(KNOWN)} known layers are there; all but ModuleList and Sequential have a formula file",
    ]


def analyse(network: "nn.Module") -> Analysis:
    """Analyse a network on the meta device: the reference is run, a checkpoint's modules are only looked at."""
    import torch

    from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM
    from dsocr_symbolic.verification.torchinfo.calls import record_forwards, torchinfo_numbers

    forwards = record_forwards(network) if isinstance(network, DeepseekOCRForCausalLM) else Forwards()
    classes = {path: qualified_name(type(module)) for path, module in network.named_modules()}
    classes.update(forwards.functions)
    return Analysis(
        source="reference" if forwards.calls else "checkpoint",
        torch_version=str(torch.__version__).partition("+")[0],
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        layers=unique_layers(network, classes),
        stages=stages(forwards.calls, classes),
        edges=edges(forwards.calls, classes),
        torchinfo=torchinfo_numbers(network, forwards.tensor_core_flops),
    )


def missing(analysis: Analysis) -> list[str]:
    """Say, a line each, which layers have no formula file and which known layers the network lacks."""
    lines = [
        f"{layer.qualified_name}: no formula file has this class; add one below formulas/"
        for layer in analysis.layers
        if not layer.formula_files and layer.qualified_name not in SUMS
    ]
    present = {layer.class_name for layer in analysis.layers}
    lines += [
        f"{name}: on the list of the network's {len(KNOWN)} unique layers, and not found in it"
        for name in KNOWN
        if name not in present and _EITHER.get(name) not in present
    ]
    return lines


def write_reports(analysis: Analysis, folder: Path) -> list[Path]:
    """Write every report into a folder, made if need be, and return the files by name."""
    texts = report_texts(analysis)
    write_files(folder, texts)
    return [folder / name for name in texts]


def report_texts(analysis: Analysis) -> dict[str, str]:
    """Return every report by file name; those of stages and calls only where there are any."""
    pages = ["summary.md", "unique-layers.md"]
    documents = {"unique-layers.json": _layers(analysis)}
    if analysis.stages:
        pages += ["call-graph.mmd", "call-graph.dot"]
        documents["stages.json"] = {"stages": [attrs.asdict(stage) for stage in analysis.stages]}
        documents["call-graph.json"] = _graph(analysis)
    values = _values(analysis)
    texts = {name: to_json(document) for name, document in documents.items()}
    texts |= {name: template(f"torchinfo_{name.replace('-', '_')}.jinja").render(values) for name in pages}
    return dict(sorted(texts.items()))


def _layers(analysis: Analysis) -> dict[str, Any]:
    rows = [attrs.asdict(layer) for layer in analysis.layers]
    return {
        "total_params": analysis.parameters,
        "num_unique_layers": len(rows),
        "layers": [{"class_name_qualified": row.pop("qualified_name"), **row} for row in rows],
    }


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
            "group": "torch"
            if layer.is_torch_builtin
            else next((name for name in STAGES if name in called[layer.qualified_name]), "prefill"),
        }
        for layer in analysis.layers
        if layer.qualified_name in called
    ]


def _graph(analysis: Analysis) -> dict[str, Any]:
    return {
        "calls": "per forward: vision, projector and prefill of one prefill with an image, decode of one step",
        "nodes": [{key: value for key, value in node.items() if key != "label"} for node in _nodes(analysis)],
        "edges": [
            {**attrs.asdict(edge), "parent": class_name(edge.parent), "child": class_name(edge.child)}
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
        "sums": {class_name(name) for name in SUMS},
        "known": len(KNOWN),
        "beyond": [layer.class_name for layer in analysis.layers if layer.class_name not in KNOWN],
        "problems": missing(analysis),
        "inflated": [(name, counts[name], rows.get(name, 0)) for name in counts if rows.get(name, 0) != counts[name]],
        "nodes": _nodes(analysis),
        "edges": [(class_name(edge.parent), class_name(edge.child), _edge_label(edge)) for edge in analysis.edges],
        "bare": lambda names: ", ".join(class_name(name) for name in names) or "-",
        "colours": _COLOURS,
        "prompt_tokens": PROMPT_TOKENS,
    }
