"""Calls of every layer at the published network's widths."""

from collections.abc import Iterator, Mapping

from dsocr_symbolic.verification.calls.cases import Case, decoder_settings

PUBLISHED_SAM = {
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


PUBLISHED_CLIP = {
    "clip_width": 1024,
    "clip_heads": 16,
    "clip_mlp_width": 4096,
    "clip_layers": 24,
    "clip_table_grid": 16,
    "clip_patch_size": 14,
}


FEW_SAM = {"sam_windowed_blocks": 2, "sam_global_blocks": 1}


FEW_CLIP = {"clip_layers": 2}
"""Blocks of a kind are alike; these are as few as show how one follows the other."""


_SAM_HEADS = {"sam_width": 768, "sam_heads": 12}


_CLIP_HEADS = {"clip_width": 1024, "clip_heads": 16}


_HEADS = {"hidden_size": 1280, "num_attention_heads": 10}


_EXPERTS = {"n_routed_experts": 64, "num_experts_per_tok": 6}


_INNER = {"moe_intermediate_size": 896, "n_shared_experts": 2}


def few_blocks(settings: Mapping[str, int]) -> dict[str, int]:
    """Leave out the blocks of a call that are only more of the same."""
    few = {**FEW_SAM, **FEW_CLIP}
    return {name: min(value, few.get(name, value)) for name, value in settings.items()}


def published_layers() -> Iterator[Case]:
    """Yield calls of every layer, each by itself."""
    yield from _sam()
    yield from _clip()
    yield from _tokens()
    yield from _attention()
    yield from _decoder()


def _case(layer: str, settings: Mapping[str, int], **choices: str) -> Case:
    return Case(layer=layer, settings=settings, choices=choices)


def _sam() -> Iterator[Case]:
    for pixels, batch in ((512, 1), (640, 6), (1024, 1), (1280, 2)):
        grid, image = pixels // 16, {"batch": batch, "image_size": pixels}
        yield _case("vision/patch_embed", {**image, "sam_patch_size": 16, "sam_width": 768})
        for window, rows in ((14, 27), (grid, 127)):
            sizes = {**_SAM_HEADS, "table_rows": rows}
            yield _case(
                "vision/block", {"batch": batch, "grid": grid, "window": window, "sam_mlp_width": 3072, **sizes}
            )
            yield _case("vision/attention", {"images": batch, "side": window, **sizes})
        yield _case("vision/rel_pos_table", {"side": grid, "head_dim": 64, "table_rows": 127})
        yield _case("vision/image_encoder_vit", {**PUBLISHED_SAM, **FEW_SAM, **image})
    yield _case("vision/mlp_block", {"tokens": 4096, "sam_width": 768, "sam_mlp_width": 3072})
    yield _case("vision/layer_norm2d", {"pixels": 4096, "channels": 256})
    yield _case("core/layer_norm", {"rows": 4096, "width": 768, "narrow": 1})


def _clip() -> Iterator[Case]:
    for side, batch in ((8, 1), (10, 6), (16, 1), (20, 2)):
        tokens, features = side**2 + 1, {"batch": batch, "feature_grid": side}
        table = {"clip_width": 1024, "clip_table_grid": 16, "clip_patch_size": 14}
        yield _case("vision/vit_model", {**PUBLISHED_CLIP, **FEW_CLIP, **features})
        yield _case("vision/clip_vision_embeddings", {**features, **table})
        block = {"batch": batch, "tokens": tokens, **_CLIP_HEADS}
        yield _case("vision/notp_attention", block)
        yield _case("vision/notp_transformer_block", {**block, "clip_mlp_width": 4096})
        yield _case("vision/notp_transformer", {**block, "clip_mlp_width": 4096, **FEW_CLIP})
        yield _case("vision/notp_feedforward", {"tokens": batch * tokens, "clip_width": 1024, "clip_mlp_width": 4096})
        yield _case("vision/quick_gelu", {"elements": batch * tokens * 4096})
        yield _case("vision/mlp_projector", {**features, "feature_width": 2048, "hidden_size": 1280})


def _tokens() -> Iterator[Case]:
    for tokens in (283, 913, 2406):
        sizes = {"tokens": tokens, "hidden_size": 1280}
        yield _case("decoder/deepseek_v2_rms_norm", sizes)
        for inner in (896, 1792, 6848):
            yield _case("decoder/deepseek_v2_mlp", {**sizes, "intermediate_size": inner})
        yield _case("decoder/moe_gate", {**sizes, **_EXPERTS})
        for hit in (6, 64):
            yield _case("decoder/deepseek_v2_moe", {**sizes, **_EXPERTS, **_INNER, "experts_hit": hit})
        yield _case("decoder/lm_head", {**sizes, "vocab_size": 129280})


def _attention() -> Iterator[Case]:
    for batch, sequence in ((1, 283), (1, 1203), (2, 913)):
        call = {"batch": batch, "sequence": sequence, "past": 0, "cached": 0, **_HEADS}
        kernel = {"batch": batch, "sequence": sequence, "keys": sequence, "heads": 10, "head_dim": 128}
        for kind, layer in (("eager", "llama_attention"), ("flash", "llama_flash_attention2")):
            yield _case(f"llama/{layer}", call, attention=kind)
            yield _case(f"llama/attend_{kind}", kernel)
        yield _case("llama/rotate", {"elements": batch * sequence * 1280, "angles": sequence * 128})
        yield _case("llama/llama_rotary_embedding", {"sequence": sequence, "head_dim": 128})
        yield _case("decoder/causal_mask", {"sequence": sequence})


def _decoder() -> Iterator[Case]:
    for batch, sequence in ((1, 283), (2, 913)):
        call = {"batch": batch, "sequence": sequence, "past": 0, "cached": 0, "prefill_experts_hit": 64}
        layer = {**call, **_HEADS, **_EXPERTS, **_INNER}
        yield _case("decoder/deepseek_v2_decoder_layer", layer, attention="flash")
    # Few layers and few words: the whole of them would take longer than everything else together.
    settings = {**decoder_settings(1, 913, 0), "num_hidden_layers": 3, "vocab_size": 1280}
    yield _case("decoder/deepseek_v2_model eager", settings, attention="eager")
    yield _case("core/language_model", {**settings, "logits_of_all": 1}, attention="flash")
