"""Mutants that no count can kill, and why each is equivalent to the formula it was made of."""

import re
from collections.abc import Mapping

from dsocr_symbolic.verification.killing import Survivor

# Pattern of "layer: place" -> the reason.
REASONS: Mapping[str, str] = {
    r".*: cuda_core_flops: elements\*flops -> .*": "integer work costs 0 for any number of elements",
    r".*: child (norm1|norm2|pre_layrnorm), with narrow: 1 -> 2": "a flag: whatever is greater than 0 says the same",
    r"vision/block: child (un)?partition, when: windows > 1 -> windows > 2": "windows are a square, never 2",
    r"vision/image_layout: child weave, when: .* and crop_columns > 1": "two columns of crops are two crops or more",
    r"decoder/decoder_inputs: child scatter, when: image_tokens > 0 -> .*": "the smallest image takes 73 tokens",
    r".*: child (scatter|features|sum|blank_sum), copies: 1 -> 2": "copies count what a module owns; this owns nothing",
    r"vision/projector_views: child crops, copies: 1 -> 2": "one module; the call behind it says so",
    r"vision/vision_towers: child crops, with clip_patch_size: .*": "a stored weight that the next call owns too",
    r"vision/preprocess: child (blank_)?item.*": "not equivalent: reading a value cannot be counted without values",
    r"vision/vision_towers: child crops, with blank_elements: 0 -> 1": "a blank image is summed 0 times in this call",
}


def reason(survivor: Survivor) -> str | None:
    """Say why a mutant is equivalent.

    Parameters
    ----------
    survivor : Survivor
        The mutant.

    Returns
    -------
    str or None
        The reason, or None: then a count is missing, or the formula is wrong.
    """
    place = f"{survivor.layer}: {survivor.place}"
    return next((text for pattern, text in REASONS.items() if re.fullmatch(pattern, place)), None)
