"""A real call for every layer file: modules of the reference, of any size that a formula's symbols ask for."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.cases import Case
from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.calls.subjects_decoder import DECODER
from dsocr_symbolic.verification.calls.subjects_operators import OPERATORS
from dsocr_symbolic.verification.reference.clip import (
    CLIPVisionEmbeddings,
    MlpProjector,
    NoTPAttention,
    NoTPFeedForward,
    NoTPTransformer,
    NoTPTransformerBlock,
    VitModel,
    quick_gelu,
)
from dsocr_symbolic.verification.reference.config import ClipConfig, SamConfig
from dsocr_symbolic.verification.reference.sam import (
    Attention,
    Block,
    ImageEncoderViT,
    LayerNorm2d,
    MLPBlock,
    PatchEmbed,
    relative_position_table,
)


def count_case(case: Case, precision: str) -> Counted:
    """Make the module that a case calls, and count the call.

    Parameters
    ----------
    case : Case
        The formula file, its variant, settings and choices.
    precision : str
        ``plain`` or ``autocast``.

    Returns
    -------
    Counted
        What the call costs.
    """
    bench = Bench(precision)
    layer = case.layer.partition(" ")[0]
    with bench.context():
        subject = SUBJECTS[case.layer](bench, case.settings)
        return bench.count(layer, dict(case.settings), dict(case.choices), subject, "reference")


Settings = Mapping[str, Any]


Maker = Callable[[Bench, Settings], Subject]


def _sam(s: Settings, **more: Any) -> SamConfig:
    names = {
        "sam_patch_size": "patch_size",
        "sam_width": "hidden_size",
        "sam_heads": "num_heads",
        "sam_mlp_width": "mlp_size",
        "sam_window_size": "window_size",
        "sam_table_grid": "table_grid",
        "sam_neck_channels": "neck_channels",
    }
    return SamConfig(**{theirs: s[ours] for ours, theirs in names.items() if ours in s}, **more)


def _clip(s: Settings) -> ClipConfig:
    names = {
        "clip_patch_size": "patch_size",
        "clip_width": "hidden_size",
        "clip_heads": "num_heads",
        "clip_mlp_width": "mlp_size",
        "clip_layers": "num_layers",
    }
    patch, grid = s.get("clip_patch_size", 1), s.get("clip_table_grid", 2)
    found = {theirs: s[ours] for ours, theirs in names.items() if ours in s}
    return ClipConfig(**(found | {"patch_size": patch, "image_size": patch * grid}))


def _tables(module: nn.Module, rows: int) -> nn.Module:
    """Give an attention stored tables of any length."""
    for name in ("rel_pos_h", "rel_pos_w"):
        table = getattr(module, name)
        setattr(module, name, nn.Parameter(table.new_empty(rows, table.shape[1])))
    return module


def layer_norm(bench: Bench, s: Settings) -> Subject:
    """Call nn.LayerNorm."""
    norm = bench.module(lambda: nn.LayerNorm(s["width"]))
    x = bench.empty(s["rows"], s["width"]) if s["narrow"] else bench.wide(s["rows"], s["width"])
    return Subject(owner=norm, call=lambda: norm(x))


def attention(bench: Bench, s: Settings) -> Subject:
    """Call SAM's attention."""
    made = bench.module(lambda: _tables(Attention(_sam(s), s["side"]), s["table_rows"]))
    x = bench.empty(s["images"], s["side"], s["side"], s["sam_width"])
    return Subject(owner=made, call=lambda: made(x))


def rel_pos_table(bench: Bench, s: Settings) -> Subject:
    """Build one axis of relative positions."""
    table = bench.empty(s["table_rows"], s["head_dim"])
    return Subject(owner=None, call=lambda: relative_position_table(table, s["side"]))


def block(bench: Bench, s: Settings) -> Subject:
    """Call SAM's block, on windows or, with a window of the grid's side, on the whole grid."""

    def make() -> nn.Module:
        whole = s["window"] == s["grid"]
        made = Block(_sam(s, window_size=s["window"], table_grid=s["grid"]), 0 if whole else s["window"])
        _tables(made.attn, s["table_rows"])
        return made

    made = bench.module(make)
    x = bench.empty(s["batch"], s["grid"], s["grid"], s["sam_width"])
    return Subject(owner=made, call=lambda: made(x))


def mlp_block(bench: Bench, s: Settings) -> Subject:
    """Call SAM's MLP."""
    made = bench.module(lambda: MLPBlock(_sam(s)))
    x = bench.empty(1, s["tokens"], s["sam_width"])
    return Subject(owner=made, call=lambda: made(x))


def layer_norm2d(bench: Bench, s: Settings) -> Subject:
    """Call the hand-written normalisation, with the cast back that autocast leaves to the next convolution."""
    made = bench.module(lambda: LayerNorm2d(s["channels"]))
    x = bench.empty(1, s["channels"], s["pixels"], 1)
    return Subject(owner=made, call=lambda: made(x).to(x.dtype))


def patch_embed(bench: Bench, s: Settings) -> Subject:
    """Call SAM's patch embedding."""
    made = bench.module(lambda: PatchEmbed(_sam(s)))
    x = bench.constant(s["batch"], 3, s["image_size"], s["image_size"])
    return Subject(owner=made, call=lambda: made(x))


def image_encoder_vit(bench: Bench, s: Settings) -> Subject:
    """Call SAM as a whole: windowed blocks first, then global ones."""
    windowed, whole = s["sam_windowed_blocks"], s["sam_global_blocks"]
    places = tuple(range(windowed, windowed + whole))
    made = bench.module(lambda: ImageEncoderViT(_sam(s, num_layers=windowed + whole, global_layers=places)))
    x = bench.constant(s["batch"], 3, s["image_size"], s["image_size"])
    return Subject(owner=made, call=lambda: made(x))


def clip_vision_embeddings(bench: Bench, s: Settings) -> Subject:
    """Call CLIP's embeddings of SAM's features."""
    made = bench.module(lambda: CLIPVisionEmbeddings(_clip(s)))
    x = bench.empty(s["batch"], s["clip_width"], s["feature_grid"], s["feature_grid"])
    return Subject(owner=made, call=lambda: made(x))


def notp_attention(bench: Bench, s: Settings) -> Subject:
    """Call CLIP's attention."""
    made = bench.module(lambda: NoTPAttention(_clip(s)))
    x = bench.empty(s["batch"], s["tokens"], s["clip_width"])
    return Subject(owner=made, call=lambda: made(x))


def activation(bench: Bench, s: Settings) -> Subject:
    """Call CLIP's quick_gelu."""
    x = bench.empty(s["elements"])
    # Its cast back to the narrow dtype is that of the linear layer behind it.
    return Subject(owner=None, call=lambda: quick_gelu(x).to(x.dtype))


def notp_feedforward(bench: Bench, s: Settings) -> Subject:
    """Call CLIP's MLP."""
    made = bench.module(lambda: NoTPFeedForward(_clip(s)))
    x = bench.empty(1, s["tokens"], s["clip_width"])
    return Subject(owner=made, call=lambda: made(x))


def notp_transformer_block(bench: Bench, s: Settings) -> Subject:
    """Call CLIP's block."""
    made = bench.module(lambda: NoTPTransformerBlock(_clip(s)))
    x = bench.wide(s["batch"], s["tokens"], s["clip_width"])
    return Subject(owner=made, call=lambda: made(x))


def notp_transformer(bench: Bench, s: Settings) -> Subject:
    """Call CLIP's blocks."""
    made = bench.module(lambda: NoTPTransformer(_clip(s)))
    x = bench.wide(s["batch"], s["tokens"], s["clip_width"])
    return Subject(owner=made, call=lambda: made(x))


def vit_model(bench: Bench, s: Settings) -> Subject:
    """Call CLIP as a whole."""
    made = bench.module(lambda: VitModel(_clip(s)))
    x = bench.empty(s["batch"], s["clip_width"], s["feature_grid"], s["feature_grid"])
    return Subject(owner=made, call=lambda: made(x))


def mlp_projector(bench: Bench, s: Settings) -> Subject:
    """Call the projector."""
    made = bench.module(lambda: MlpProjector(s["feature_width"], s["hidden_size"]))
    x = bench.wide(s["batch"], s["feature_grid"] ** 2, s["feature_width"])
    return Subject(owner=made, call=lambda: made(x))


SUBJECTS: Mapping[str, Maker] = {
    "core/layer_norm": layer_norm,
    "vision/attention": attention,
    "vision/rel_pos_table": rel_pos_table,
    "vision/block": block,
    "vision/mlp_block": mlp_block,
    "vision/layer_norm2d": layer_norm2d,
    "vision/patch_embed": patch_embed,
    "vision/image_encoder_vit": image_encoder_vit,
    "vision/clip_vision_embeddings": clip_vision_embeddings,
    "vision/notp_attention": notp_attention,
    "vision/quick_gelu": activation,
    "vision/notp_feedforward": notp_feedforward,
    "vision/notp_transformer_block": notp_transformer_block,
    "vision/notp_transformer": notp_transformer,
    "vision/vit_model": vit_model,
    "vision/mlp_projector": mlp_projector,
    **DECODER,
    **OPERATORS,
}
