"""Single calls: every operator, and the published network at its own sizes."""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.formula import EMPTY


@frozen(kw_only=True)
class Case:
    """One call to compare.

    Attributes
    ----------
    layer : str
        The formula file; behind a blank, which of its variants is called.
    settings : mapping of str to int
        The formula's symbols.
    precisions : tuple of str
        ``plain``, ``autocast``.
    choices : mapping of str to str
        Options of the model's choices.
    """

    layer: str
    settings: Mapping[str, Any]
    precisions: tuple[str, ...] = ("plain",)
    choices: Mapping[str, str] = EMPTY


_OPERATORS: Mapping[str, Mapping[str, int]] = {
    "linear": {"tokens": 3, "in_features": 5, "out_features": 7},
    "linear_no_bias": {"tokens": 3, "in_features": 5, "out_features": 7},
    "conv2d": {"images": 3, "in_channels": 3, "in_side": 12, "out_channels": 5, "out_side": 4, "kernel": 3, "bias": 1},
    "matmul": {"entries": 3, "rows": 3, "inner": 5, "columns": 7, "dtype_a": 2, "dtype_b": 2},
    "mm": {"entries": 1, "rows": 3, "inner": 5, "columns": 7, "dtype_a": 4, "dtype_b": 4},
    "sdpa_flash": {"batch": 2, "heads": 3, "queries": 5, "keys": 7, "head_dim": 8, "dtype_kv": 2},
    "sdpa_masked": {"batch": 2, "heads": 3, "queries": 5, "keys": 7, "head_dim": 8},
    "softmax": {"elements": 7, "dtype": 2},
    "native_layer_norm": {"rows": 3, "width": 5, "dtype": 2},
    "embedding": {"tokens": 3, "rows_stored": 11, "width": 5},
    "gelu": {"elements": 7},
    "silu": {"elements": 7},
    "neg": {"elements": 7, "dtype_x": 2, "dtype_y": 2},
    "square": {"elements": 7, "dtype_x": 4, "dtype_y": 4},
    "sqrt": {"elements": 7, "dtype_x": 4, "dtype_y": 4},
    "rsqrt": {"elements": 7, "dtype_x": 4, "dtype_y": 4},
    "cos": {"elements": 7, "dtype_x": 4, "dtype_y": 4},
    "sin": {"elements": 7, "dtype_x": 4, "dtype_y": 4},
    "sigmoid": {"elements": 7, "dtype_x": 2, "dtype_y": 2},
    "add_scalar": {"elements": 7, "dtype_x": 4, "dtype_y": 4},
    "multiply_scalar": {"elements": 7, "dtype_x": 2, "dtype_y": 2},
    "divide_scalar": {"elements": 7, "dtype_x": 2, "dtype_y": 2},
    "integer_add": {"elements": 7, "dtype_x": 8, "dtype_y": 8},
    "integer_floor_divide": {"elements": 7, "dtype_x": 8, "dtype_y": 8},
    "add": {"a": 15, "b": 5, "y": 15, "dtype": 2},
    "subtract": {"a": 15, "b": 5, "y": 15, "dtype": 4},
    "multiply": {"a": 15, "b": 5, "y": 15, "dtype": 2},
    "add_mixed": {"a": 15, "b": 5, "y": 15, "dtype_a": 4, "dtype_b": 2, "dtype_y": 4},
    "multiply_mixed": {"a": 15, "b": 5, "y": 15, "dtype_a": 4, "dtype_b": 2, "dtype_y": 4},
    "divide_mixed": {"a": 15, "b": 5, "y": 15, "dtype_a": 2, "dtype_b": 4, "dtype_y": 4},
    "multiply_inplace": {"a": 15, "b": 5, "dtype": 4},
    "sum": {"elements": 15, "results": 5, "dtype_x": 4, "dtype_y": 4},
    "mean": {"elements": 15, "results": 5, "dtype_x": 2, "dtype_y": 2},
    "integer_sum": {"elements": 15, "results": 5, "dtype_x": 8, "dtype_y": 8},
    "clone": {"read": 7, "written": 7, "dtype": 2},
    "concatenate": {"read": 7, "written": 7, "dtype": 4},
    "concatenate_mixed": {"a": 5, "b": 3, "dtype_a": 4, "dtype_b": 2},
    "pad": {"read": 7, "written": 11, "dtype": 2},
    "new_zeros": {"read": 7, "written": 11, "dtype": 8},
    "scatter": {"read": 7, "written": 7, "dtype": 8},
    "append_cache": {"old": 7, "new": 3},
    "cast": {"elements": 7, "dtype_x": 2, "dtype_y": 4},
    "arange": {"elements": 7, "dtype": 8},
    "full": {"elements": 7, "dtype": 4},
    "gather": {"indices": 3, "width": 5},
    "scatter_rows": {"indices": 3, "width": 5},
    "masked_scatter": {"rows": 7, "source_rows": 3, "width": 5},
    "masked_fill": {"elements": 7},
    "less_than": {"positions": 7},
    "sort": {"elements": 7},
    "topk": {"rows": 3, "choices": 7, "chosen": 2},
    "cumulative_sum": {"elements": 7},
    "interpolate_bicubic": {"side": 15, "new_side": 5, "width": 3},
    "interpolate_linear": {"rows": 7, "new_rows": 5, "width": 3},
}


_MASKED = "a mask without values cannot choose; what it saves is counted inside decoder/deepseek_v2_moe"


# Formula files that no call stands for, and why.
UNCOUNTED: Mapping[str, str] = {
    "operators/item": "reads a value, and tensors without values have none",
    "operators/grouped_linear": "PyTorch has no grouped product for tensors without values; it equals the loop",
    "decoder/experts_grouped": "built on grouped_linear; FLOPs and weights equal the loop",
    "decoder/experts_loop": "counted inside decoder/deepseek_v2_moe",
    "decoder/no_mask": "holds nothing",
    "llama/apply_rotary_pos_emb": "counted inside llama/llama_attention",
    "operators/equal": "runs in training alone, and counts no FLOPs",
    "operators/masked_gather": _MASKED,
    "operators/masked_put": _MASKED,
    "operators/repeat": "runs in training alone; its gradient is counted inside decoder/deepseek_v2_moe",
    "decoder/decoder_inputs": "counted inside core/deepseek_ocr_model",
    "vision/preprocess": "its sums are counted inside core/deepseek_ocr_model; what the host reads is not",
    "vision/abs_pos": "counted inside vision/image_encoder_vit and vision/clip_vision_embeddings",
    "vision/image_layout": "counted inside core/deepseek_ocr_model",
    "vision/projector_views": "counted inside core/deepseek_ocr_model",
    "vision/vision_towers": "counted inside core/deepseek_ocr_model",
    "vision/vision_view": "counted inside core/deepseek_ocr_model",
}


_HIT = 64


def _experts_hit(tokens: int) -> int:
    return min(_HIT, 6 * tokens)


def decoder_settings(batch: int, sequence: int, past: int) -> dict[str, int]:
    """Set up a forward of the published language model that hits as many experts as it can."""
    call = {"batch": batch, "sequence": sequence, "past": past, "cached": int(past > 0), "image_tokens": 0}
    sizes = {
        "vocab_size": 129280,
        "hidden_size": 1280,
        "num_attention_heads": 10,
        "num_hidden_layers": 12,
        "first_k_dense_replace": 1,
        "intermediate_size": 6848,
        "moe_intermediate_size": 896,
        "n_shared_experts": 2,
        "n_routed_experts": 64,
        "num_experts_per_tok": 6,
    }
    return {**call, "experts_hit": _experts_hit(batch * sequence), **sizes}


def _page(columns: int, rows: int, base_size: int = 1024) -> dict[str, int]:
    side = base_size // 64
    image = side * (side + 1) + 1 + rows * 10 * (columns * 10 + 1) * (columns > 0)
    return {
        "batch": 1,
        "base_size": base_size,
        "image_size": 640,
        "crop_columns": columns,
        "crops": columns * rows,
        "image_tokens": image,
        "prompt_tokens": image + 10,
        "prefill_experts_hit": _experts_hit(image),
    }


def sampled_cases() -> Iterator[Case]:
    """Yield every single call that ``dsocr verify`` compares, the quick ones first."""
    for name, settings in _OPERATORS.items():
        yield Case(layer=f"operators/{name}", settings=settings)
    yield Case(layer="operators/interpolate_bicubic", settings={"side": 3, "new_side": 7, "width": 2})
    for pixels in (512, 640, 1024, 1280):
        grid = pixels // 64
        both = ("plain", "autocast")
        sizes = {"feature_grid": grid, "feature_width": 2048, "hidden_size": 1280}
        yield Case(layer="vision/mlp_projector", settings={"batch": 8, **sizes}, precisions=both)
    for batch, sequence in ((1, 1), (1, 10), (1, 903), (8, 903), (1, 8192)):
        for kind in ("flash", "eager"):
            layer = "core/language_model" + (" eager" if kind == "eager" else "")
            settings = {**decoder_settings(batch, sequence, 0), "logits_of_all": 1}
            yield Case(layer=layer, settings=settings, choices={"attention": kind})
    for batch, past in ((1, 1), (1, 902), (8, 8191)):
        for kind in ("flash", "eager"):
            layer = "core/language_model" + (" eager" if kind == "eager" else "")
            settings = {**decoder_settings(batch, 1, past), "logits_of_all": 1}
            yield Case(layer=layer, settings=settings, choices={"attention": kind})
    for sequence, past in ((903, 0), (1, 902)):
        settings = {**decoder_settings(1, sequence, past), "logits_of_all": 1}
        yield Case(layer="core/language_model", settings=settings, precisions=("autocast",))
    for columns, rows in ((0, 0), (1, 1), (1, 2), (3, 2), (3, 3)):
        yield Case(layer="core/deepseek_ocr_model", settings=_page(columns, rows))
    yield Case(layer="core/deepseek_ocr_model", settings={**_page(2, 1), "batch": 2})
    yield Case(layer="core/deepseek_ocr_model", settings=_page(2, 1), precisions=("autocast",))
    for base_size in (512, 1280):
        yield Case(layer="core/deepseek_ocr_model", settings=_page(0, 0, base_size))
