"""Groups of operators that a compiler makes one kernel of in the vision towers, each as one custom operator.

As with the decoder's, the plain code says what a kernel computes, on the CPU and, without values, on the meta device.
What an H200 ran of a SAM block, by the names of the compiler's kernels, shortened; x is the block's input, and products
and attention are libraries' own. Of more than 8448 rows neither norm is cut into parts:

============================= ========================================= ==================================
kernel                        reads                                     writes
============================= ========================================= ==================================
red, per layer_norm           x                                         moments of parts; of rows
poi constant_pad_nd           x, moments, weight, bias                  normed, in windows
nvjet                         normed                                    q, k, v of a token side by side
poi clone..unbind             q                                         q by row; of one image by column
poi arange..index (2)         table                                     rows by offset [K, K, d]
cutlass, nvjet (2)            q, rows by offset                         scores by row, by column
poi clone_permute             q, k, v                                   heads apart, of several images
poi unsafe_view_add           both scores                               mask
native_sdpa                   q, k, v, mask                             attended
poi clone_permute             attended                                  tokens, of several images
nvjet                         attended                                  projected
red, per, poi add..layer_norm x, projected                              moments of parts; of rows; normed
nvjet, poi gelu, nvjet        normed                                    hidden, activated, fed
poi add                       x, projected, fed                         the next block's x
============================= ========================================= ==================================
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dsocr_symbolic.verification.reference.sam import relative_position_table
from dsocr_symbolic.verification.served.groups import EPSILON, one_launch


def compiled_partial_moments(x: Tensor, parts: int) -> Tensor:
    """Mean, squared deviation and length of the parts of each row: [T, D] -> fp32 [3, T, parts]."""
    cut = x.to(torch.float32).view(len(x), parts, -1)
    mean = cut.mean(-1)
    squares = (cut - mean.unsqueeze(-1)).pow(2).sum(-1)
    return torch.stack((mean, squares, torch.full_like(mean, cut.shape[-1])))


def compiled_partial_moments_of_sum(x: Tensor, attended: Tensor, parts: int) -> Tensor:
    """Do the same of a sum: [T, D] twice."""
    return compiled_partial_moments(x + attended, parts)


def compiled_joined_moments(parted: Tensor, width: int) -> Tensor:
    """Mean and reciprocal deviation of rows of a width from those of their parts: fp32 [3, T, parts] -> [2, T]."""
    means, squares, lengths = parted.unbind(0)
    mean = means.mean(-1)
    between = ((means - mean.unsqueeze(-1)).pow(2) * lengths).sum(-1)
    return torch.stack((mean, ((squares.sum(-1) + between) / width + EPSILON).rsqrt()))


def compiled_row_moments(x: Tensor) -> Tensor:
    """Mean and reciprocal deviation of each row: [T, D] -> fp32 [2, T]."""
    wide = x.to(torch.float32)
    mean = wide.mean(-1)
    variance = (wide - mean.unsqueeze(-1)).pow(2).mean(-1)
    return torch.stack((mean, (variance + EPSILON).rsqrt()))


def compiled_normalise(x: Tensor, moments: Tensor, weight: Tensor, bias: Tensor, written: int) -> Tensor:
    """Norm rows by their moments, and pad with rows of zeros: [T, D], fp32 [2, T], [D] twice -> [written, D]."""
    mean, deviation = moments.unbind(0)
    normal = (x.to(torch.float32) - mean.unsqueeze(-1)) * deviation.unsqueeze(-1)
    return functional.pad((normal * weight + bias).to(x.dtype), (0, 0, 0, written - len(x)))


def compiled_normalise_sum(x: Tensor, attended: Tensor, moments: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Do the same of a sum, without padding: [T, D] twice, fp32 [2, T], [D] twice -> [T, D]."""
    return compiled_normalise(x + attended, moments, weight, bias, len(x))


def compiled_tower_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Norm rows: [T, D], [D] twice -> [T, D]."""
    return functional.layer_norm(x, weight.shape, weight, bias, EPSILON)


def compiled_tower_norm_of_sum(x: Tensor, attended: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Do the same of a sum: [T, D] twice, [D] twice -> [T, D]."""
    return compiled_tower_norm(x + attended, weight, bias)


def compiled_residuals(x: Tensor, attended: Tensor, fed: Tensor) -> Tensor:
    """Add up three tensors of one shape."""
    return x + attended + fed


def compiled_queries(q: Tensor) -> Tensor:
    """Put queries row by row of the grid: [B, h, K, K, d] -> [K, B, h, K, d]."""
    return q.permute(2, 0, 1, 3, 4).clone(memory_format=torch.contiguous_format)


def compiled_both_queries(q: Tensor) -> tuple[Tensor, Tensor]:
    """Put them column by column as well: -> [K, B, h, K, d] twice."""
    by_column = q.permute(3, 0, 1, 2, 4).clone(memory_format=torch.contiguous_format)
    return compiled_queries(q), by_column


def compiled_relative_rows(table: Tensor, side: int) -> Tensor:
    """Look up the row of each offset of a query and a key: [2K - 1, d] -> [K, K, d]."""
    return relative_position_table(table, side)


def compiled_resized_rows(table: Tensor, side: int) -> Tensor:
    """Blend the row of each offset of two rows of a table of another length: [L, d] -> [K, K, d]."""
    return relative_position_table(table, side)


def compiled_mask(by_row: Tensor, by_column: Tensor) -> Tensor:
    """Add up scores by row and by column of all pairs: [g, T, K] twice -> [g, T, K, K]."""
    return by_row.unsqueeze(-1) + by_column.unsqueeze(-2)


def compiled_tower_gelu(x: Tensor) -> Tensor:
    """Multiply each element by the sigmoid of 1.702 times it."""
    return x * torch.sigmoid(1.702 * x)


def compiled_pixel_moments(x: Tensor) -> Tensor:
    """Mean and variance of the channels of each pixel: [A, C] -> [2, A]."""
    mean = x.mean(-1)
    return torch.stack((mean, (x - mean.unsqueeze(-1)).pow(2).mean(-1)))


def compiled_pixel_normalise(x: Tensor, moments: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Norm pixels by their moments: [A, C], [2, A], [C] twice -> [A, C]."""
    mean, variance = moments.unbind(0)
    normal = (x - mean.unsqueeze(-1)) / torch.sqrt(variance + EPSILON).unsqueeze(-1)
    return normal * weight + bias


def compiled_pixel_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Do both: [A, C], [C] twice -> [A, C]."""
    return compiled_pixel_normalise(x, compiled_pixel_moments(x), weight, bias)


PLAIN: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        compiled_partial_moments,
        compiled_partial_moments_of_sum,
        compiled_joined_moments,
        compiled_row_moments,
        compiled_normalise,
        compiled_normalise_sum,
        compiled_tower_norm,
        compiled_tower_norm_of_sum,
        compiled_residuals,
        compiled_queries,
        compiled_both_queries,
        compiled_relative_rows,
        compiled_resized_rows,
        compiled_mask,
        compiled_tower_gelu,
        compiled_pixel_moments,
        compiled_pixel_normalise,
        compiled_pixel_norm,
    )
}
"""What each kernel computes, by its name."""
TOWER_GROUPS: dict[str, Any] = {name: one_launch(plain, name) for name, plain in PLAIN.items()}
"""Every kernel as one operator."""
