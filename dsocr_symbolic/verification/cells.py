"""Cells: families of calls with one operator sequence, on which every count is a polynomial of the axes."""

from collections.abc import Callable, Mapping

from attrs import frozen

from dsocr_symbolic.formula import EMPTY

Point = dict[str, int]


def _same(point: Point) -> Point:
    return point


@frozen(kw_only=True)
class Cell:
    """A family of calls.

    Attributes
    ----------
    layer : str
        The formula file; behind a blank, which of its variants is called.
    name : str
        What is the same in all calls, in words.
    axes : mapping of str to (int, int)
        For each free axis its first value and its stride.
    settings : callable
        From a point on the axes to the formula's symbols.
    autocast : tuple of str or None
        Axes that vary under autocast as well, the others stay at their first value; None if it is left out.
    choices : mapping of str to str
        Options of the model's choices.
    """

    layer: str
    name: str
    axes: Mapping[str, tuple[int, int]]
    settings: Callable[[Point], Point] = _same
    autocast: tuple[str, ...] | None = None
    choices: Mapping[str, str] = EMPTY


def _sam_attention(point: Point) -> Point:
    return {
        "images": point["images"],
        "side": point["side"],
        "sam_heads": point["heads"],
        "sam_width": point["heads"] * point["head_dim"],
        "table_rows": point.get("table_rows", 2 * point["side"] - 1),
    }


def _sam_block(windows: Callable[[Point], int]) -> Callable[[Point], Point]:
    def settings(point: Point) -> Point:
        return {
            "batch": point["batch"],
            "grid": windows(point),
            "window": point["window"],
            "sam_heads": 2,
            "sam_width": 2 * point["head_dim"],
            "sam_mlp_width": point["mlp"],
            "table_rows": point.get("table_rows", 2 * point["window"] - 1),
        }

    return settings


_SAM = {
    "sam_patch_size": 16,
    "sam_width": 768,
    "sam_heads": 12,
    "sam_mlp_width": 3072,
    "sam_windowed_blocks": 8,
    "sam_global_blocks": 4,
    "sam_window_size": 14,
    "sam_table_grid": 64,
    "sam_neck_channels": 256,
}
_CLIP = {
    "clip_width": 1024,
    "clip_heads": 16,
    "clip_mlp_width": 4096,
    "clip_layers": 24,
    "clip_table_grid": 16,
    "clip_patch_size": 14,
}


def _sam(point: Point) -> Point:
    """The published encoder."""
    return {**_SAM, **point}


def _small_sam(point: Point) -> Point:
    return {
        "batch": 2,
        "image_size": 12 * point["patch"],
        "sam_patch_size": point["patch"],
        "sam_width": 2 * point["head_dim"],
        "sam_heads": 2,
        "sam_mlp_width": point["mlp"],
        "sam_windowed_blocks": point["windowed"],
        "sam_global_blocks": point["global"],
        "sam_window_size": 5,
        "sam_table_grid": point["table_grid"],
        "sam_neck_channels": point["neck"],
    }


def _clip(point: Point) -> Point:
    heads = point.get("heads", 2)
    found = {
        name: value for name, value in point.items() if name not in ("heads", "head_dim", "mlp", "layers", "patch")
    }
    found |= {"clip_width": heads * point["head_dim"], "clip_heads": heads}
    named = {"mlp": "clip_mlp_width", "layers": "clip_layers", "patch": "clip_patch_size"}
    return found | {ours: point[theirs] for theirs, ours in named.items() if theirs in point}


def _clip_embeddings(point: Point) -> Point:
    return {
        "batch": point["batch"],
        "feature_grid": point["feature_grid"],
        "clip_width": point["width"],
        "clip_table_grid": point.get("table_grid", point["feature_grid"]),
        "clip_patch_size": point["patch"],
    }


def _llama(**fixed: int) -> Callable[[Point], Point]:
    def settings(point: Point) -> Point:
        values = {**fixed, **point}
        heads = values["heads"]
        return {
            "batch": values["batch"],
            "sequence": values["sequence"],
            "past": values["past"],
            "cached": int(values["past"] > 0),
            "hidden_size": heads * 2 * values["half_head"],
            "num_attention_heads": heads,
        }

    return settings


def _attend(**fixed: int) -> Callable[[Point], Point]:
    return lambda point: {**fixed, **point}


def _network(**fixed: int) -> Callable[[Point], Point]:
    """A small decoder in which every size is different."""

    def settings(point: Point) -> Point:
        values = {"sequence": 1, "past": 0, "image_tokens": 0, **fixed, **point}
        heads = 3
        sizes = {
            "hidden_size": heads * 2 * values["half_head"],
            "num_attention_heads": heads,
            "first_k_dense_replace": values["dense"],
            "num_hidden_layers": values["dense"] + values["moe"],
            "intermediate_size": values["inner"],
            "moe_intermediate_size": values["expert"],
            "n_routed_experts": values["experts"],
            "n_shared_experts": values["shared"],
            "num_experts_per_tok": 2,
        }
        calls = {
            name: values[name] for name in ("batch", "sequence", "past", "image_tokens", "experts_hit", "vocab_size")
        }
        return {**sizes, **calls, "cached": int(values["past"] > 0)}

    return settings


def _rotate(point: Point) -> Point:
    return {"elements": point["heads"] * 2 * point["half"], "angles": 2 * point["half"]}


def _moe(point: Point) -> Point:
    return {**point, "num_experts_per_tok": 2, "experts_hit": 3}


_SMALL = {
    "dense": 1,
    "moe": 2,
    "experts": 5,
    "shared": 2,
    "experts_hit": 3,
    "vocab_size": 7,
    "half_head": 2,
    "inner": 11,
    "expert": 3,
}

CELLS: tuple[Cell, ...] = (
    Cell(
        layer="core/layer_norm",
        name="input as activations",
        axes={"rows": (1, 1), "width": (2, 1)},
        settings=lambda p: {**p, "narrow": 1},
        autocast=("rows", "width"),
    ),
    Cell(
        layer="core/layer_norm",
        name="input left wide",
        axes={"rows": (1, 1), "width": (2, 1)},
        settings=lambda p: {**p, "narrow": 0},
        autocast=("rows", "width"),
    ),
    Cell(
        layer="vision/rel_pos_table",
        name="table resized",
        axes={"side": (2, 1), "head_dim": (2, 1), "table_rows": (40, 1)},
        autocast=("side", "head_dim"),
    ),
    Cell(
        layer="vision/rel_pos_table",
        name="table fits",
        axes={"side": (2, 1), "head_dim": (2, 1)},
        settings=lambda p: {**p, "table_rows": 2 * p["side"] - 1},
        autocast=("side", "head_dim"),
    ),
    Cell(
        layer="vision/attention",
        name="many images, tables fit",
        axes={"images": (2, 1), "side": (2, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=_sam_attention,
        autocast=("images", "side"),
    ),
    Cell(
        layer="vision/attention",
        name="many images, tables resized",
        axes={"images": (2, 1), "side": (2, 1), "head_dim": (2, 1), "table_rows": (41, 1)},
        settings=lambda p: _sam_attention({**p, "heads": 3}),
        autocast=("images", "side"),
    ),
    Cell(
        layer="vision/attention",
        name="one image, tables fit",
        axes={"side": (2, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=lambda p: _sam_attention({**p, "images": 1}),
        autocast=("side",),
    ),
    Cell(
        layer="vision/block",
        name="windows, padded",
        axes={"batch": (1, 1), "turns": (2, 1), "window": (3, 1), "head_dim": (2, 1), "mlp": (3, 1)},
        settings=_sam_block(lambda p: p["turns"] * p["window"] - 2),
        autocast=("batch", "window"),
    ),
    Cell(
        layer="vision/block",
        name="windows that divide the grid",
        axes={"batch": (1, 1), "turns": (2, 1), "window": (2, 1), "head_dim": (2, 1)},
        settings=lambda p: _sam_block(lambda q: q["turns"] * q["window"])({**p, "mlp": 5}),
        autocast=("batch", "window"),
    ),
    Cell(
        layer="vision/block",
        name="whole grid, many images, tables resized",
        axes={"batch": (2, 1), "window": (2, 1), "head_dim": (2, 1), "table_rows": (41, 2)},
        settings=lambda p: _sam_block(lambda q: q["window"])({**p, "mlp": 5}),
        autocast=("batch", "window"),
    ),
    Cell(
        layer="vision/block",
        name="whole grid, one image, tables fit",
        axes={"window": (2, 1), "head_dim": (2, 1), "mlp": (3, 1)},
        settings=lambda p: _sam_block(lambda q: q["window"])({**p, "batch": 1}),
        autocast=("window",),
    ),
    Cell(
        layer="vision/mlp_block",
        name="all",
        axes={"tokens": (1, 1), "sam_width": (2, 1), "sam_mlp_width": (3, 1)},
        autocast=("tokens",),
    ),
    Cell(
        layer="vision/layer_norm2d",
        name="all",
        axes={"pixels": (1, 1), "channels": (2, 1)},
        autocast=("pixels", "channels"),
    ),
    Cell(
        layer="vision/patch_embed",
        name="all",
        axes={"batch": (1, 1), "grid": (1, 1), "sam_patch_size": (2, 1), "sam_width": (3, 1)},
        settings=lambda p: {
            "batch": p["batch"],
            "image_size": 4 * p["grid"] * p["sam_patch_size"],
            "sam_patch_size": p["sam_patch_size"],
            "sam_width": p["sam_width"],
        },
        autocast=("batch",),
    ),
    Cell(
        layer="vision/image_encoder_vit",
        name="any patch, width and neck at 12 x 12 patches",
        axes={"patch": (2, 1), "head_dim": (2, 1), "neck": (2, 1)},
        settings=lambda p: _small_sam({**p, "mlp": 3, "windowed": 1, "global": 1, "table_grid": 7}),
    ),
    Cell(
        layer="vision/image_encoder_vit",
        name="any width and depth at 12 x 12 patches",
        axes={"head_dim": (2, 1), "mlp": (3, 1), "windowed": (1, 1), "global": (1, 1)},
        settings=lambda p: _small_sam({**p, "patch": 2, "neck": 2, "table_grid": 7}),
    ),
    Cell(
        layer="vision/image_encoder_vit",
        name="published sizes, 1472 pixels and every 448 more, one image",
        axes={"turns": (3, 1)},
        settings=lambda p: _sam({"batch": 1, "image_size": 16 * (28 * p["turns"] + 8)}),
    ),
    *(
        Cell(
            layer="vision/image_encoder_vit",
            name=f"published sizes, {pixels} pixels, many images",
            axes={"batch": (2, 1)},
            settings=lambda p, pixels=pixels: _sam({**p, "image_size": pixels}),
            autocast=("batch",),
        )
        for pixels in (512, 640, 1024, 1280)
    ),
    *(
        Cell(
            layer="vision/vit_model",
            name=f"published sizes, {grid} x {grid} features",
            axes={"batch": (1, 1)},
            settings=lambda p, grid=grid: {**p, **_CLIP, "feature_grid": grid},
            autocast=("batch",),
        )
        for grid in (8, 10, 16, 20)
    ),
    Cell(
        layer="vision/clip_vision_embeddings",
        name="positions fit",
        axes={"batch": (1, 1), "feature_grid": (2, 1), "width": (2, 1), "patch": (2, 1)},
        settings=_clip_embeddings,
        autocast=("batch", "feature_grid"),
    ),
    Cell(
        layer="vision/notp_attention",
        name="all",
        axes={"batch": (1, 1), "tokens": (1, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=_clip,
        autocast=("batch", "tokens"),
    ),
    Cell(layer="vision/quick_gelu", name="all", axes={"elements": (1, 1)}, autocast=("elements",)),
    Cell(
        layer="vision/notp_feedforward",
        name="all",
        axes={"tokens": (1, 1), "head_dim": (2, 1), "mlp": (3, 1)},
        settings=lambda p: {"tokens": p["tokens"], "clip_width": p["head_dim"], "clip_mlp_width": p["mlp"]},
        autocast=("tokens", "head_dim", "mlp"),
    ),
    Cell(
        layer="vision/notp_transformer_block",
        name="all",
        axes={"batch": (1, 1), "tokens": (1, 1), "head_dim": (2, 1), "mlp": (3, 1)},
        settings=_clip,
        autocast=("batch", "tokens", "head_dim", "mlp"),
    ),
    Cell(
        layer="vision/notp_transformer",
        name="all",
        axes={"batch": (1, 1), "tokens": (1, 1), "head_dim": (2, 1), "mlp": (3, 1), "layers": (1, 1)},
        settings=_clip,
        autocast=("tokens", "layers"),
    ),
    Cell(
        layer="vision/vit_model",
        name="positions fit",
        axes={"batch": (1, 1), "feature_grid": (2, 1), "head_dim": (2, 1), "mlp": (3, 1), "layers": (1, 1)},
        settings=lambda p: _clip({**p, "clip_table_grid": p["feature_grid"], "patch": 2}),
    ),
    Cell(
        layer="vision/mlp_projector",
        name="all",
        axes={"batch": (1, 1), "feature_grid": (1, 1), "feature_width": (2, 1), "hidden_size": (3, 1)},
        autocast=("batch", "feature_grid", "feature_width", "hidden_size"),
    ),
    Cell(
        layer="decoder/deepseek_v2_rms_norm",
        name="all",
        axes={"tokens": (1, 1), "hidden_size": (2, 1)},
        autocast=("tokens", "hidden_size"),
    ),
    Cell(
        layer="decoder/deepseek_v2_mlp",
        name="all",
        axes={"tokens": (1, 1), "hidden_size": (2, 1), "intermediate_size": (3, 1)},
        autocast=("tokens", "hidden_size", "intermediate_size"),
    ),
    Cell(
        layer="decoder/moe_gate",
        name="all",
        axes={"tokens": (1, 1), "hidden_size": (2, 1), "n_routed_experts": (20, 1), "num_experts_per_tok": (1, 1)},
        autocast=("tokens", "hidden_size", "n_routed_experts", "num_experts_per_tok"),
    ),
    Cell(
        layer="decoder/deepseek_v2_moe",
        name="three experts hit",
        axes={
            "tokens": (3, 1),
            "hidden_size": (2, 1),
            "moe_intermediate_size": (2, 1),
            "n_shared_experts": (1, 1),
            "n_routed_experts": (5, 1),
        },
        settings=_moe,
        autocast=("tokens", "hidden_size"),
    ),
    Cell(
        layer="decoder/deepseek_v2_moe",
        name="any number of experts hit",
        axes={"experts_hit": (4, 1), "tokens": (9, 1), "num_experts_per_tok": (2, 1)},
        settings=lambda p: {
            **p,
            "hidden_size": 3,
            "moe_intermediate_size": 2,
            "n_shared_experts": 2,
            "n_routed_experts": 20,
        },
        autocast=("tokens",),
    ),
    Cell(layer="decoder/causal_mask", name="more than one query", axes={"sequence": (2, 1)}),
    Cell(
        layer="decoder/deepseek_v2_model",
        name="prefill with the fused kernel",
        axes={"batch": (1, 1), "sequence": (2, 1), "half_head": (1, 1), "moe": (1, 1)},
        settings=_network(**{**_SMALL, "dense": 1}),
        autocast=("batch", "sequence"),
    ),
    Cell(
        layer="decoder/deepseek_v2_model",
        name="decode with the fused kernel",
        axes={"batch": (2, 1), "past": (1, 1), "half_head": (1, 1), "dense": (1, 1)},
        settings=_network(**_SMALL),
        autocast=("batch", "past"),
    ),
    Cell(
        layer="decoder/deepseek_v2_model",
        name="any widths",
        axes={"inner": (2, 1), "expert": (2, 1), "shared": (1, 1), "experts": (4, 1), "vocab_size": (5, 1)},
        settings=_network(**{**_SMALL, "batch": 3, "sequence": 2}),
    ),
    Cell(
        layer="decoder/deepseek_v2_model eager",
        name="eager prefill, one sequence",
        axes={"sequence": (2, 1), "half_head": (1, 1)},
        settings=_network(**{**_SMALL, "batch": 1}),
        choices={"attention": "eager"},
        autocast=("sequence",),
    ),
    Cell(
        layer="decoder/deepseek_v2_model eager",
        name="eager prefill, many sequences",
        axes={"batch": (2, 1), "sequence": (2, 1), "half_head": (1, 1)},
        settings=_network(**_SMALL),
        choices={"attention": "eager"},
        autocast=("batch", "sequence"),
    ),
    Cell(
        layer="decoder/deepseek_v2_model eager",
        name="eager decode",
        axes={"batch": (2, 1), "past": (1, 1), "half_head": (1, 1)},
        settings=_network(**_SMALL),
        choices={"attention": "eager"},
        autocast=("batch", "past"),
    ),
    Cell(
        layer="core/language_model",
        name="logits of all positions",
        axes={"batch": (1, 1), "sequence": (2, 1), "half_head": (1, 1), "vocab_size": (5, 1)},
        settings=lambda p: {**_network(**{**_SMALL, **p})(p), "logits_of_all": 1},
    ),
    Cell(
        layer="decoder/lm_head",
        name="all",
        axes={"tokens": (1, 1), "hidden_size": (2, 1), "vocab_size": (3, 1)},
        autocast=("tokens", "hidden_size", "vocab_size"),
    ),
    Cell(
        layer="llama/llama_rotary_embedding",
        name="all",
        axes={"sequence": (1, 1), "half": (1, 1)},
        settings=lambda p: {"sequence": p["sequence"], "head_dim": 2 * p["half"]},
        autocast=("sequence", "half"),
    ),
    Cell(
        layer="llama/rotate",
        name="all",
        axes={"heads": (2, 1), "half": (1, 1)},
        settings=_rotate,
        autocast=("heads", "half"),
    ),
    Cell(
        layer="llama/llama_attention",
        name="prefill of one sequence",
        axes={"sequence": (2, 1), "heads": (2, 1), "half_head": (1, 1)},
        settings=_llama(batch=1, past=0),
        autocast=("sequence",),
    ),
    Cell(
        layer="llama/llama_attention",
        name="prefill of many sequences",
        axes={"batch": (2, 1), "sequence": (2, 1), "heads": (2, 1), "half_head": (1, 1)},
        settings=_llama(past=0),
        autocast=("batch", "sequence"),
    ),
    Cell(
        layer="llama/llama_attention",
        name="decode",
        axes={"batch": (1, 1), "past": (1, 1), "heads": (2, 1), "half_head": (1, 1)},
        settings=_llama(sequence=1),
        autocast=("batch", "past"),
    ),
    Cell(
        layer="llama/llama_flash_attention2",
        name="prefill",
        axes={"batch": (1, 1), "sequence": (1, 1), "heads": (2, 1), "half_head": (1, 1)},
        settings=_llama(past=0),
        autocast=("batch", "sequence"),
    ),
    Cell(
        layer="llama/llama_flash_attention2",
        name="decode",
        axes={"batch": (1, 1), "past": (1, 1), "heads": (2, 1), "half_head": (1, 1)},
        settings=_llama(sequence=1),
        autocast=("batch", "past"),
    ),
    Cell(
        layer="llama/attend_flash",
        name="one query",
        axes={"batch": (1, 1), "keys": (1, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=_attend(sequence=1),
        autocast=("batch", "keys"),
    ),
    Cell(
        layer="llama/attend_eager",
        name="one query",
        axes={"batch": (1, 1), "keys": (1, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=_attend(sequence=1),
        autocast=("batch", "keys"),
    ),
    Cell(
        layer="llama/attend_eager",
        name="many queries of many sequences",
        axes={"batch": (2, 1), "sequence": (2, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=lambda p: {**p, "keys": p["sequence"]},
        autocast=("batch", "sequence"),
    ),
)
