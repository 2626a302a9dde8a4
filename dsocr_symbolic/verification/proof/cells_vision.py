"""Cells of the vision towers and the projector."""

from collections.abc import Callable
from functools import partial

from dsocr_symbolic.verification.calls.published import PUBLISHED_CLIP, PUBLISHED_SAM
from dsocr_symbolic.verification.proof.cell import Cell, Point


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


def _sam(point: Point) -> Point:
    """Set the published sizes."""
    return {**PUBLISHED_SAM, **point}


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


def _sam_of(pixels: int, point: Point) -> Point:
    return _sam({**point, "image_size": pixels})


def _clip_of(grid: int, point: Point) -> Point:
    return {**point, **PUBLISHED_CLIP, "feature_grid": grid}


VISION_CELLS: tuple[Cell, ...] = (
    Cell(
        layer="vision/block",
        name="windows, padded by one",
        axes={"batch": (1, 1), "head_dim": (2, 1)},
        settings=lambda p: _sam_block(lambda q: 2 * q["window"] - 1)({**p, "mlp": 5, "window": 3}),
        autocast=("batch",),
    ),
    Cell(
        layer="vision/clip_vision_embeddings",
        name="positions resized",
        axes={"batch": (1, 1), "width": (2, 1), "patch": (2, 1)},
        settings=lambda p: _clip_embeddings({**p, "feature_grid": 3, "table_grid": 5}),
        autocast=("batch",),
    ),
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
        axes={"batch": (1, 1), "turns": (2, 1), "window": (3, 1), "head_dim": (2, 1)},
        settings=lambda p: _sam_block(lambda q: q["turns"] * q["window"] - 2)({**p, "mlp": 5}),
        autocast=("batch", "window"),
    ),
    Cell(
        layer="vision/block",
        name="windows that divide the grid",
        axes={"turns": (2, 1), "window": (2, 1), "head_dim": (2, 1)},
        settings=lambda p: _sam_block(lambda q: q["turns"] * q["window"])({**p, "mlp": 5, "batch": 2}),
        autocast=("window",),
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
            settings=partial(_sam_of, pixels),
            autocast=("batch",) if pixels in (640, 1024) else None,
        )
        for pixels in (512, 640, 1024, 1280)
    ),
    *(
        Cell(
            layer="vision/vit_model",
            name=f"published sizes, {grid} x {grid} features",
            axes={"batch": (1, 1)},
            settings=partial(_clip_of, grid),
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
        axes={"batch": (1, 1), "feature_grid": (2, 1), "head_dim": (2, 1), "layers": (1, 1)},
        settings=lambda p: _clip({**p, "mlp": 3, "clip_table_grid": p["feature_grid"], "patch": 2}),
    ),
    Cell(
        layer="vision/mlp_projector",
        name="all",
        axes={"batch": (1, 1), "feature_grid": (1, 1), "feature_width": (2, 1), "hidden_size": (3, 1)},
        autocast=("batch", "feature_grid", "feature_width", "hidden_size"),
    ),
)
