"""What a page holds for the host to decode or draw: bytes, samples and pixels, read without decoding any."""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from attrs import field

from dsocr_symbolic.records import frozen

# Samples of a pixel by Pillow's mode, and of JPEG by how far it halves its colours.
_BANDS = {"1": 1, "L": 1, "P": 1, "I;16": 2, "LA": 2, "I": 4, "F": 4, "RGB": 3, "YCbCr": 3, "LAB": 3}
_SAMPLED = {0: 3.0, 1: 2.0, 2: 1.5}
_MOST_BANDS = 4
_TIFF = {"raw": "tiff", "tiff_lzw": "lzw", "tiff_adobe_deflate": "deflate", "tiff_deflate": "deflate", "group4": "fax"}
_DEPTH, _CLOSE = 4, 0.01
_OF_PDF = ("characters", "image_bytes", "image_pixels", "image_samples", "stretched_pixels", "stretched_samples")


@frozen(kw_only=True)
class PageContent:
    """A page before the host has done anything.

    Attributes
    ----------
    kind : str
        The formula in ``formulas/time/host`` that opens or draws it; empty where there is none.
    said : str
        What it is, in words.
    width, height : int
        In pixels, as the network sees it.
    amounts : mapping of str to number
        What that formula asks for.
    """

    kind: str
    said: str
    width: int
    height: int
    amounts: Mapping[str, float] = field(factory=dict)


def picture_content(file: str | Path | BytesIO, size: int, frame: int = 1) -> PageContent:
    """Read what one frame of a picture holds off its header; ``size`` is that of the file in bytes."""
    from PIL import Image

    with Image.open(file) as image:
        frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if frame > 1:
            image.seek(frame - 1)
        kind, said = _kind(image, file)
        pixels = image.width * image.height
        amounts = {"bytes": size / frames, "samples": pixels * _samples(image), "pixels": pixels}
        return PageContent(kind=kind, said=said, width=image.width, height=image.height, amounts=amounts)


def _kind(image: Any, file: str | Path | BytesIO) -> tuple[str, str]:
    match image.format:
        case "JPEG" | "MPO":
            return ("progressive", "progressive JPEG") if image.info.get("progressive") else ("jpeg", "JPEG")
        case "PNG":
            return "png", "PNG"
        case "WEBP":
            lossless = b"VP8L" in _start(file)
            return ("", "lossless WebP") if lossless else ("webp", "WebP")
        case "TIFF":
            packed = str(image.info.get("compression", "raw"))
            return _TIFF.get(packed, ""), f"TIFF ({packed})"
    return "", str(image.format)


def _start(file: str | Path | BytesIO) -> bytes:
    if isinstance(file, BytesIO):
        return file.getbuffer()[:64].tobytes()
    with Path(file).open("rb") as stream:
        return stream.read(64)


def _samples(image: Any) -> float:
    """Return the samples of a pixel as it is stored."""
    if image.format in ("JPEG", "MPO"):
        from PIL import JpegImagePlugin

        layers = getattr(image, "layers", 3)
        return float(layers) if layers != 3 else _SAMPLED.get(JpegImagePlugin.get_sampling(image), 3.0)  # noqa: PLR2004
    return float(_BANDS.get(image.mode, _MOST_BANDS))


def pdf_contents(file: str | Path | bytes, dpi: float) -> tuple[PageContent, ...]:
    """Read what each page of a PDF holds: its characters, and bytes and samples of its pictures."""
    import pypdfium2

    document = pypdfium2.PdfDocument(file)
    try:
        return tuple(_pdf_page(document[place], dpi) for place in range(len(document)))
    finally:
        document.close()


def _pdf_page(page: Any, dpi: float) -> PageContent:
    from math import ceil

    from pypdfium2 import raw

    text = page.get_textpage()
    amounts = dict.fromkeys(_OF_PDF, 0.0)
    amounts["characters"] = text.count_chars()
    text.close()
    for each in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=_DEPTH):
        width, height = each.get_px_size()
        pixels, bands = width * height, _bands(each, page)
        left, _, right, _ = each.get_bounds()
        stretches = _stretches(width, (right - left) * dpi / 72)
        amounts["image_bytes"] += raw.FPDFImageObj_GetImageDataRaw(each, None, 0)
        amounts["image_pixels"] += pixels
        amounts["image_samples"] += pixels * bands
        amounts["stretched_pixels"] += pixels * stretches
        amounts["stretched_samples"] += pixels * bands * stretches
    width, height = (ceil(side * dpi / 72) for side in page.get_size())
    page.close()
    amounts["pixels"] = width * height
    return PageContent(kind="pdf", said="PDF", width=width, height=height, amounts=amounts)


def _stretches(width: int, drawn: float) -> bool:
    """Whether a picture shrinks, and not to a whole part."""
    ratio = width / max(drawn, 1.0)
    return ratio > 1 + _CLOSE and abs(ratio - round(ratio)) > _CLOSE


def _bands(image: Any, page: Any) -> float:
    """Return the samples of a pixel of a picture in a PDF, at least one."""
    from pypdfium2 import raw

    told = raw.FPDF_IMAGEOBJ_METADATA()
    raw.FPDFImageObj_GetImageMetadata(image, page, told)
    return float(max(told.bits_per_pixel, 8) / 8)


@lru_cache(maxsize=4)
def _kept_pdf(path: str, dpi: float, _changed: int) -> tuple[PageContent, ...]:
    return pdf_contents(path, dpi)


def page_content(path: str, page: int, dpi: float) -> PageContent:
    """Read what one page of a file holds; ``dpi`` is for pages of PDFs alone.

    Raises OSError or another error of a decoder where the file cannot be read.
    """
    file = Path(path)
    with file.open("rb") as stream:
        is_pdf = b"%PDF-" in stream.read(1024)
    if is_pdf:
        return _kept_pdf(path, dpi, file.stat().st_mtime_ns)[page - 1]
    return picture_content(path, file.stat().st_size, page)
