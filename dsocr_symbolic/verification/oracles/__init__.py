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
