"""Parts of the network as the ``transformers`` library builds them: a second opinion on FLOPs and parameters.

Counted by PyTorch's own ``FlopCounterMode``, so neither our modules nor our trace judge here. Left out, and why:

- bytes, launches and CUDA-core FLOPs: other code, other operators;
- rotary tables: theirs are elementwise products built once per forward, the network's are matrix products
  built by each layer, so attention is compared without ``rotary_emb``;
- CLIP's patch convolution and last norm: the network stores the first without running it and lacks the
  second, so CLIP is compared from its first norm to its last block;
- the projector: one linear layer there and here, which would be compared with itself;
- experts as a loop (it reads values) and as ``grouped_mm`` (counted as 0): ``batched_mm`` does the same products.
"""

from collections.abc import Iterator

from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.calls.requirements import require_transformers


def oracle_counts() -> Iterator[Counted]:
    """Count the library's modules at full size, on the meta device.

    Returns
    -------
    iterator of Counted
        One by one; the first needs seconds, for the library's import.

    Raises
    ------
    UserError
        If torch or transformers is missing, or of another generation.
    """
    require_transformers()
    return _all()


def _all() -> Iterator[Counted]:
    from dsocr_symbolic.verification.oracles.decoder import decoder_counts
    from dsocr_symbolic.verification.oracles.vision import clip_counts, sam_counts

    yield from sam_counts()
    yield from clip_counts()
    yield from decoder_counts()
