"""The steps from a page to tensors, as the checkpoint's own ``infer()`` takes them with Pillow and torchvision."""

from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from dsocr_symbolic.evaluation.host_work import PageViews

_MEAN = 0.5


def opened(data: bytes) -> Any:
    """Open a picture upright, in RGB."""
    from PIL import Image, ImageOps

    return ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")


def drawn(data: bytes, dpi: float, page: int = 0) -> Any:
    """Draw a page of a PDF in RGB."""
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    image = document[page].render(scale=dpi / 72).to_pil().convert("RGB")
    document.close()
    return image


def resized(image: Any, width: int, height: int) -> Any:
    """Bring a page to another size, as both dynamic_preprocess and ImageOps.contain do."""
    from PIL import Image

    return image.resize((width, height), Image.Resampling.BICUBIC)


def cut(image: Any, columns: int, rows: int, side: int) -> list[Any]:
    """Cut a page that fits the grid into crops."""
    return [
        image.crop((column * side, row * side, (column + 1) * side, (row + 1) * side))
        for row in range(rows)
        for column in range(columns)
    ]


def padded(image: Any, side: int) -> Any:
    """Bring a page into a square as it is; what is left of the square is grey."""
    from PIL import ImageOps

    return ImageOps.pad(image, (side, side), color=(int(_MEAN * 255),) * 3)


def tensor(image: Any) -> Tensor:
    """Do what ToTensor and Normalize of torchvision do, then narrow to bf16."""
    import numpy as np

    values = torch.from_numpy(np.array(image, np.uint8, copy=True))
    floats = values.permute(2, 0, 1).contiguous().to(torch.float32).div(255).clone()
    mean = torch.full((3, 1, 1), _MEAN)
    return floats.sub_(mean).div_(mean).to(torch.bfloat16)


def prepared(image: Any, views: PageViews) -> list[Tensor]:
    """Take all steps behind opening or drawing a page."""
    crops: list[Any] = []
    if views.columns * views.rows:
        wide = resized(image, views.columns * views.crop_side, views.rows * views.crop_side)
        crops = cut(wide, views.columns, views.rows, views.crop_side)
    whole = padded(resized(image, views.side, views.side) if views.squashed else image, views.side)
    return [tensor(whole), *map(tensor, crops)]
