"""Cells of the decoder."""

from collections.abc import Callable

from dsocr_symbolic.verification.proof.cell import Cell, Point


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
    """Set up a small decoder in which every size is different."""

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


DECODER_CELLS: tuple[Cell, ...] = (
    Cell(
        layer="llama/attend_eager",
        name="many queries of one sequence",
        axes={"sequence": (2, 1), "heads": (2, 1), "head_dim": (2, 1)},
        settings=lambda p: {**p, "batch": 1, "keys": p["sequence"]},
        autocast=("sequence",),
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
        axes={"batch": (2, 1), "past": (1, 1), "dense": (1, 1)},
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
    ),
    Cell(
        layer="core/language_model",
        name="logits of all positions",
        axes={"batch": (1, 1), "sequence": (2, 1), "vocab_size": (5, 1)},
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
