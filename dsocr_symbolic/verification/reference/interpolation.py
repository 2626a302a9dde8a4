"""Resizing of stored position tables to the grid at hand, in fp32."""

import torch
from torch import Tensor
from torch.nn import functional


def resize_grid(table: Tensor, side: int) -> Tensor:
    """Bring a square table to another side by antialiased bicubic interpolation.

    Parameters
    ----------
    table
        [1, D, G, G].
    side
        The side g that is wanted.

    Returns
    -------
    Tensor
        [1, D, g, g] in the table's dtype.
    """
    dtype, table = table.dtype, table.to(torch.float32)
    resized = functional.interpolate(table, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return resized.to(dtype)


def resize_rows(table: Tensor, rows: int) -> Tensor:
    """Bring a table to another number of rows by linear interpolation.

    Parameters
    ----------
    table
        [L, d].
    rows
        The number of rows R that is wanted.

    Returns
    -------
    Tensor
        [R, d] in the table's dtype.
    """
    wide = table.to(torch.float32).t().unsqueeze(0)
    return functional.interpolate(wide, size=rows, mode="linear").to(table.dtype).squeeze(0).t()
