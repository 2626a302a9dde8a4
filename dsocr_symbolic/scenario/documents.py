"""Page sizes of images and PDFs.

Only sizes are read: no pixel is decoded and no PDF page is rendered.
"""

import math
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pdf"})
_POINTS_PER_INCH = 72
_ORIENTATION, _SIDES_SWAPPED = 274, frozenset({5, 6, 7, 8})  # the EXIF tag, and its quarter turns
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_PNG_SIGNATURE, _PNG_NOTES = b"\x89PNG\r\n\x1a\n", {b"IHDR", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}


@frozen(kw_only=True)
class PageSize:
    """One page of a document: its size, or why the size cannot be read.

    Attributes
    ----------
    path, page : str, int
        The file, or the folder if that is what cannot be read; the page or TIFF frame, from 1.
    width, height : int or None
        Upright, in pixels; None if unreadable.
    error : str or None
        One line, the reason why the page cannot be read; None if it can be.
    """

    path: str
    page: int
    width: int | None
    height: int | None
    error: str | None


def read_pages(paths: Sequence[str], *, dpi: float = 144) -> Iterator[PageSize]:
    """Read the size of every page, one at a time; each path gives at least one page.

    Folders are walked recursively in sorted order for files with known suffixes; a file named directly is tried
    whatever its suffix. Every frame of a TIFF is a page; of an animation only the first is. What cannot be read becomes
    a page with ``error`` set. Sizes stand in headers: a file cut off inside its pixels still has one. PDF pages are
    rendered at ``dpi``, sides rounded up, as pdfium does; a wrong ``dpi`` is refused before any file is read.
    """
    if not 0 < dpi < math.inf:
        raise UserError(f"dpi: {dpi} is not a positive finite number; pdfium pages are usually read at 144")
    readers = ((_folder_pages if _is_folder(path) else _file_pages, path) for path in paths)
    return (page for read, path in readers for page in read(path, dpi))


def _is_folder(path: str | Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - unlike Path.is_dir it never raises


def _folder_pages(folder: str, dpi: float) -> Iterator[PageSize]:
    """Walk a folder in sorted order; links to folders are not followed, as they may form a ring."""
    holds_any = False
    waiting = [Path(folder)]
    while waiting:
        place = waiting.pop()
        if place == Path(folder) or (_is_folder(place) and not place.is_symlink()):
            try:
                waiting += sorted(place.iterdir(), reverse=True)
            except OSError as error:
                holds_any = True
                yield _unreadable(str(place), 1, error)
        elif place.suffix.lower() in SUFFIXES and not _is_folder(place):
            holds_any = True
            yield from _file_pages(str(place), dpi)
    if not holds_any:
        yield _unreadable(folder, 1, "holds no image or PDF")


def _file_pages(path: str, dpi: float) -> Iterator[PageSize]:
    try:
        file = Path(path)
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError("neither a file nor a folder")  # noqa: TRY301 - opening a pipe would wait
        with file.open("rb") as stream:
            is_pdf = b"%PDF-" in stream.read(1024)
    except (OSError, ValueError) as error:
        yield _unreadable(path, 1, error)
        return
    yield from _pdf_pages(path, dpi) if is_pdf else _image_pages(path)


def _pdf_pages(path: str, dpi: float) -> Iterator[PageSize]:
    """Ask pdfium itself: pypdfium2 reports the error of an earlier file for a PDF without pages."""
    from pypdfium2 import raw

    document = raw.FPDF_LoadDocument(os.fsencode(path) + b"\0", None)
    if not document:
        known = {raw.FPDF_ERR_PASSWORD: "needs a password", raw.FPDF_ERR_SECURITY: "in a way unknown to pdfium"}
        how = known.get(raw.FPDF_GetLastError())
        yield _unreadable(path, 1, f"encrypted: {how}" if how else "a damaged PDF: pdfium cannot read it")
        return
    try:
        count, size = raw.FPDF_GetPageCount(document), raw.FS_SIZEF()
        if count == 0:
            yield _unreadable(path, 1, "the PDF holds no page")
        for index in range(count):
            # Points, with the page's rotation honoured; the page is not parsed.
            is_known = raw.FPDF_GetPageSizeByIndexF(document, index, size)
            sides = [points * (dpi / _POINTS_PER_INCH) for points in (size.width, size.height)]
            if is_known and all(map(math.isfinite, sides)):
                yield _readable(path, index + 1, math.ceil(sides[0]), math.ceil(sides[1]))
            else:
                yield _unreadable(path, index + 1, "pdfium finds no size for this page")
    finally:
        raw.FPDF_CloseDocument(document)


def _image_pages(path: str) -> Iterator[PageSize]:
    from PIL import Image, UnidentifiedImageError

    try:
        with _headers_only():
            image = Image.open(path)
    except Exception as error:  # noqa: BLE001 - decoders raise almost anything on a malformed file
        unknown = isinstance(error, UnidentifiedImageError)
        yield _unreadable(path, 1, "not an image or PDF, or cut off in its header" if unknown else error)
        return
    with image:
        size = _frame_size(image, path, 1)
        while size is not None:
            yield size
            is_last = image.format != "TIFF" or size.error is not None
            size = None if is_last else _frame_size(image, path, size.page + 1)


def _frame_size(image: Any, path: str, frame: int) -> PageSize | None:
    """Read the upright size of one frame; None if there is no such frame."""
    try:
        with _headers_only():
            if frame > 1:
                image.seek(frame - 1)
            # Some Pillow versions already turn a TIFF's size; its own tags are never turned.
            tags = getattr(image, "tag_v2", None)
            sides = (int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])) if tags else image.size
            width, height = reversed(sides) if _orientation(image, path) in _SIDES_SWAPPED else sides
    except EOFError:
        return None
    except Exception as error:  # noqa: BLE001 - decoders raise almost anything on a malformed file
        return _unreadable(path, frame, error)
    return _readable(path, frame, width, height)


def _orientation(image: Any, path: str) -> Any:
    """Read the EXIF orientation; malformed EXIF means upright, as in the network's own preprocessing."""
    from PIL import Image

    try:
        if image.format != "PNG":
            return image.getexif().get(_ORIENTATION)
        with Image.open(_png_notes(path)) as notes:
            return Image.Image.getexif(notes).get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - EXIF parsers raise almost anything on malformed data
        return None


def _png_notes(path: str) -> BytesIO:
    """Copy a PNG without its pixels: EXIF may follow them, and Pillow would decode them to reach it."""
    kept = bytearray(_PNG_SIGNATURE)
    with Path(path).open("rb") as stream:
        stream.seek(len(_PNG_SIGNATURE))
        while len(head := stream.read(8)) == 8 and head[4:] != b"IEND":  # noqa: PLR2004
            body = int.from_bytes(head[:4], "big") + 4  # the checksum too
            if head[4:] in _PNG_NOTES:
                kept += head + stream.read(body)
            else:
                stream.seek(body, os.SEEK_CUR)
    return BytesIO(kept + b"\0\0\0\0IEND\xaeB`\x82")


@contextmanager
def _headers_only() -> Iterator[None]:
    """Lift Pillow's limit on pixels, which guards decoding, and hush its warnings; never yield a page inside."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _readable(path: str, page: int, width: int, height: int) -> PageSize:
    if width <= 0 or height <= 0:
        return _unreadable(path, page, f"{width} x {height} pixels: nothing to see")
    return PageSize(path=path, page=page, width=width, height=height, error=None)


def _unreadable(path: str, page: int, reason: str | Exception) -> PageSize:
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return PageSize(path=path, page=page, width=None, height=None, error=" ".join(said.split()))
