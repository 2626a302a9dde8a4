"""Every layer of the network has a formula, and no layer that the network is known to have is missing."""

from pathlib import Path

from dsocr_symbolic.verification.torchinfo.analysis import Analysis

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


def formula_files() -> dict[str, tuple[str, ...]]:
    """Map every class that a formula file names to the files.

    Returns
    -------
    dict of str to tuple of str
        ``class`` of the file -> paths from the folder ``formulas`` on.
    """
    from dsocr_symbolic.language.library import load_library

    found: dict[str, list[str]] = {}
    for formula in load_library().formulas.values():
        if formula.class_name:
            found.setdefault(formula.class_name, []).append(_short(formula.file))
    return {name: tuple(sorted(files)) for name, files in found.items()}


def _short(file: str) -> str:
    """Drop what differs between machines."""
    parts = Path(file).parts
    if "formulas" not in parts:
        return Path(file).name
    last = len(parts) - 1 - parts[::-1].index("formulas")
    return "/".join(parts[last:])


def missing(analysis: Analysis) -> list[str]:
    """Say what is not as it must be.

    Parameters
    ----------
    analysis : Analysis
        Of the network.

    Returns
    -------
    list of str
        One line for each layer without a formula file, and each known layer that the network lacks.
    """
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
