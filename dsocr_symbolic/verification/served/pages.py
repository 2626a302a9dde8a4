"""The cache of keys and values: pages that are written in place, a contiguous run of them per request.

A request owns neighbouring pages, so its keys are a view of them and no attention has to gather.
"""

import torch
from torch import Tensor

from dsocr_symbolic.verification.reference.config import DecoderConfig


def new_pages(
    config: DecoderConfig, *, requests: int, tokens: int, page_tokens: int, device: str, dtype: torch.dtype
) -> list[Tensor]:
    """Return empty pages for so many tokens of every request, one tensor [pages, page_tokens, 2, heads, d] a layer.

    Keys stand at index 0 of the third axis and values at 1. It raises ValueError for pages without tokens.
    """
    if min(requests, tokens, page_tokens) < 1:
        raise ValueError(f"{requests} requests of {tokens} tokens in pages of {page_tokens}: each must be 1 or more")
    pages = requests * -(-tokens // page_tokens)
    shape = (pages, page_tokens, 2, config.num_attention_heads, config.head_dim)
    return [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)]


def slots_of(pages: Tensor, positions: Tensor) -> Tensor:
    """Return where tokens lie in the pages, counted over all of them: positions int64 [B, S] -> [B*S]."""
    run = pages.shape[0] // positions.shape[0] * pages.shape[1]
    firsts = torch.arange(positions.shape[0], device=positions.device).unsqueeze(-1) * run
    return (positions + firsts).view(-1)


def context(pages: Tensor, requests: int, tokens: int) -> tuple[Tensor, Tensor]:
    """View keys and values of the first tokens of every request: two of [B, heads, K, d], without a copy."""
    _, _, two, heads, width = pages.shape
    runs = pages.view(requests, -1, two, heads, width).narrow(1, 0, tokens)
    return runs.select(2, 0).transpose(1, 2), runs.select(2, 1).transpose(1, 2)


@torch.library.custom_op("dsocr_symbolic::write_pages", mutates_args=("pages",))
def write_pages(pages: Tensor, new: Tensor, slots: Tensor) -> None:
    """Write new keys and values to their slots, in place: new [B*S, 2, heads, d], slots int64 [B*S]; one kernel."""
    pages.view(-1, *pages.shape[2:]).index_put_((slots,), new)


@write_pages.register_fake
def _(pages: Tensor, new: Tensor, slots: Tensor) -> None:
    """Change no shape."""
