"""A real call for every layer file: modules of the reference, of any size that a formula's symbols ask for."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from dsocr_symbolic.verification.calls.bench import Bench, Maker, Subject, on_one_tensor
from dsocr_symbolic.verification.calls.cases import WHOLE, Case
from dsocr_symbolic.verification.calls.comparison import Counted
from dsocr_symbolic.verification.calls.subjects_decoder import DECODER, whole_prefill
from dsocr_symbolic.verification.calls.subjects_experts import EXPERTS
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

Settings = Mapping[str, Any]


def count_case(case: Case, bench: Bench) -> Counted:
    """Make the module that a case calls, and count the call."""
    with bench.context():
        return bench.count(case.layer, case.settings, case.choices, subject_of(bench, case))


def subject_of(bench: Bench, case: Case) -> Subject:
    """Make the call of a case, a layer's or the whole network's."""
    if case.layer == WHOLE:
        return whole_prefill(bench, case.settings, case.choices)
    return SUBJECTS[case.layer](bench, case.settings)


_SAM_SIZES = {
    "sam_patch_size": "patch_size",
    "sam_width": "hidden_size",
    "sam_heads": "num_heads",
    "sam_mlp_width": "mlp_size",
    "sam_window_size": "window_size",
    "sam_table_grid": "table_grid",
    "sam_neck_channels": "neck_channels",
}
_CLIP_SIZES = {
    "clip_patch_size": "patch_size",
    "clip_width": "hidden_size",
    "clip_heads": "num_heads",
    "clip_mlp_width": "mlp_size",
    "clip_layers": "num_layers",
}


def _sam(s: Settings, **more: Any) -> SamConfig:
    return SamConfig(**{theirs: s[ours] for ours, theirs in _SAM_SIZES.items() if ours in s}, **more)


def _clip(s: Settings) -> ClipConfig:
    sizes = {theirs: s[ours] for ours, theirs in _CLIP_SIZES.items() if ours in s}
    patch, grid = s.get("clip_patch_size", 1), s.get("clip_table_grid", 2)
    return ClipConfig(**(sizes | {"patch_size": patch, "image_size": patch * grid}))


def _tables(module: nn.Module, rows: int) -> nn.Module:
    """Give an attention stored tables of any length."""
    for name in ("rel_pos_h", "rel_pos_w"):
        table = getattr(module, name)
        setattr(module, name, nn.Parameter(table.new_empty(rows, table.shape[1])))
    return module


def _block(s: Settings) -> nn.Module:
    """Make SAM's block, on windows or, with a window of the grid's side, on the whole grid."""
    whole = s["window"] == s["grid"]
    made = Block(_sam(s, window_size=s["window"], table_grid=s["grid"]), 0 if whole else s["window"])
    _tables(made.attn, s["table_rows"])
    return made


def _encoder(s: Settings) -> nn.Module:
    """Make SAM as a whole: windowed blocks first, then global ones."""
    windowed, whole = s["sam_windowed_blocks"], s["sam_global_blocks"]
    places = tuple(range(windowed, windowed + whole))
    return ImageEncoderViT(_sam(s, num_layers=windowed + whole, global_layers=places))


def _layer_norm(bench: Bench, s: Settings) -> Subject:
    norm = bench.module(lambda: nn.LayerNorm(s["width"]))
    x = (bench.empty if s["narrow"] else bench.wide)(s["rows"], s["width"])
    return Subject(owner=norm, call=lambda: norm(x))


def _rel_pos_table(bench: Bench, s: Settings) -> Subject:
    """Build one axis of relative positions."""
    table = bench.empty(s["table_rows"], s["head_dim"])
    return Subject(owner=None, call=lambda: relative_position_table(table, s["side"]))


def _layer_norm2d(bench: Bench, s: Settings) -> Subject:
    """Call the hand-written normalisation, with the cast back that autocast leaves to the next convolution."""
    made = bench.module(lambda: LayerNorm2d(s["channels"]))
    x = bench.empty(1, s["channels"], s["pixels"], 1)
    return Subject(owner=made, call=lambda: made(x).to(x.dtype))


def _activation(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["elements"])
    # Its cast back to the narrow dtype is that of the linear layer behind it.
    return Subject(owner=None, call=lambda: quick_gelu(x).to(x.dtype))


def _projector(bench: Bench, s: Settings) -> Subject:
    made = bench.module(lambda: MlpProjector(s["feature_width"], s["hidden_size"]))
    x = bench.wide(s["batch"], s["feature_grid"] ** 2, s["feature_width"])
    return Subject(owner=made, call=lambda: made(x))


_PIXELS = ("batch", 3, "image_size", "image_size")
_FEATURES = ("batch", "clip_width", "feature_grid", "feature_grid")
_TOKENS = ("batch", "tokens", "clip_width")


SUBJECTS: Mapping[str, Maker] = {
    "core/layer_norm": _layer_norm,
    "vision/attention": on_one_tensor(
        lambda s: _tables(Attention(_sam(s), s["side"]), s["table_rows"]), "images", "side", "side", "sam_width"
    ),
    "vision/rel_pos_table": _rel_pos_table,
    "vision/block": on_one_tensor(_block, "batch", "grid", "grid", "sam_width"),
    "vision/mlp_block": on_one_tensor(lambda s: MLPBlock(_sam(s)), 1, "tokens", "sam_width"),
    "vision/layer_norm2d": _layer_norm2d,
    "vision/patch_embed": on_one_tensor(lambda s: PatchEmbed(_sam(s)), *_PIXELS, tensor="constant"),
    "vision/image_encoder_vit": on_one_tensor(_encoder, *_PIXELS, tensor="constant"),
    "vision/clip_vision_embeddings": on_one_tensor(lambda s: CLIPVisionEmbeddings(_clip(s)), *_FEATURES),
    "vision/notp_attention": on_one_tensor(lambda s: NoTPAttention(_clip(s)), *_TOKENS),
    "vision/quick_gelu": _activation,
    "vision/notp_feedforward": on_one_tensor(lambda s: NoTPFeedForward(_clip(s)), 1, "tokens", "clip_width"),
    "vision/notp_transformer_block": on_one_tensor(lambda s: NoTPTransformerBlock(_clip(s)), *_TOKENS, tensor="wide"),
    "vision/notp_transformer": on_one_tensor(lambda s: NoTPTransformer(_clip(s)), *_TOKENS, tensor="wide"),
    "vision/vit_model": on_one_tensor(lambda s: VitModel(_clip(s)), *_FEATURES),
    "vision/mlp_projector": _projector,
    **DECODER,
    **OPERATORS,
    **EXPERTS,
}
