"""Page sizes of images and PDFs: no pixel is decoded and no PDF page is rendered."""

import math
import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.pdf_units import user_units

# What scanners, cameras and page renderers write, by any usual name. No icons, textures, drawings or raw sensor data:
# Pillow has more formats, but whoever keeps a page in one of those names the file.
SUFFIXES = frozenset(
    {
        *(".pdf", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"),
        *(".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c", ".avif", ".heic", ".heif", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
LINKS, NO_SUFFIX = "links to folders", "no suffix"
# Brands of files that start alike, and what to do about those that Pillow cannot open.
_AVIF, _HEIF = (b"avif", b"avis"), (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_WAY_OUT = "which Pillow, and so the network's own code, cannot open; convert it to PNG or JPEG"
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


def read_pages(paths: Sequence[str], *, dpi: float = 144, left_out: Counter[str] | None = None) -> Iterator[PageSize]:
    """Read the size of every page, one at a time; each path gives at least one page.

    Folders are walked recursively in sorted order for known suffixes, hidden files and folders too; ``left_out`` gets
    the number of other files by suffix, and of links to folders. A file named directly is tried whatever its suffix.
    Every frame of a TIFF is a page, of an animation only the first. A file cut off inside its pixels still has a size.
    PDF pages are rendered at ``dpi`` pixels per inch, UserUnit included, sides rounded up; a wrong one is refused
    before any file is read. A page of more pixels than Pillow decodes is an error, for the network opens it by Pillow.
    """
    if not 0 < dpi < math.inf:
        raise UserError(f"dpi: {dpi} is not a positive finite number; pdfium pages are usually read at 144")
    others = Counter[str]() if left_out is None else left_out
    return (
        page
        for path in paths
        for page in (_folder_pages(path, dpi, others) if _is_folder(path) else _file_pages(path, dpi))
    )


def _is_folder(path: str | Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - unlike Path.is_dir it never raises


def _folder_pages(folder: str, dpi: float, left_out: Counter[str]) -> Iterator[PageSize]:
    """Walk a folder in sorted order; links to folders are not followed, as they may form a ring."""
    holds_any = False
    waiting = [Path(folder)]
    while waiting:
        place = waiting.pop()
        try:
            if place == Path(folder) or stat.S_ISDIR(place.lstat().st_mode):
                waiting += sorted(place.iterdir(), reverse=True)
                continue
        except OSError as error:
            holds_any = True
            yield _unreadable(str(place), 1, error)
            continue
        if _is_folder(place):
            left_out[LINKS] += 1
        elif place.suffix.lower() in SUFFIXES:
            holds_any = True
            yield from _file_pages(str(place), dpi)
        else:
            left_out[place.suffix.lower() or NO_SUFFIX] += 1
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
        units = user_units(document, path, count)
        for index in range(count):
            # Points, with the page's rotation honoured; the page is not parsed.
            is_known = raw.FPDF_GetPageSizeByIndexF(document, index, size)
            sides = [points * units[index] * (dpi / _POINTS_PER_INCH) for points in (size.width, size.height)]
            if is_known and all(map(math.isfinite, sides)):
                yield _readable(path, index + 1, math.ceil(sides[0]), math.ceil(sides[1]), f" at {dpi:g} dpi")
            else:
                yield _unreadable(path, index + 1, "pdfium finds no size for this page")
    except (OSError, ValueError) as error:
        yield _unreadable(path, 1, error)
    finally:
        raw.FPDF_CloseDocument(document)


def _image_pages(path: str) -> Iterator[PageSize]:
    from PIL import Image, UnidentifiedImageError

    try:
        with _headers_only():
            image = Image.open(path)
    except Exception as error:  # noqa: BLE001 - decoders raise almost anything on a malformed file
        yield _unreadable(path, 1, _unknown(path) if isinstance(error, UnidentifiedImageError) else error)
        return
    with image:
        size = _frame_size(image, path, 1)
        while size is not None:
            yield size
            is_last = image.format != "TIFF" or size.error is not None
            size = None if is_last else _frame_size(image, path, size.page + 1)


def _unknown(path: str) -> str:
    """Say what a file is that Pillow does not know."""
    with Path(path).open("rb") as stream:
        start = stream.read(64)
    brands = start[8 : int.from_bytes(start[:4], "big")] if start[4:8] == b"ftyp" else b""
    if any(brand in brands for brand in _AVIF):
        return f"AVIF, {_WAY_OUT}, or update Pillow to 11.3 or later"
    if any(brand in brands for brand in _HEIF):
        return f"HEIC (HEIF), {_WAY_OUT}"
    return "not an image or PDF, or cut off in its header"


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


def _readable(path: str, page: int, width: int, height: int, rendered: str = "") -> PageSize:
    from PIL import Image

    said, limit = f"{width} x {height} pixels{rendered}", Image.MAX_IMAGE_PIXELS
    if width <= 0 or height <= 0:
        return _unreadable(path, page, f"{said}: nothing to see")
    # Pillow's own rule against decompression bombs, by which the network's own code fails on such a page.
    if limit is not None and width * height > 2 * limit:
        way_out = "lower --dpi" if rendered else "scale it down"
        return _unreadable(path, page, f"{said}: Pillow decodes at most {2 * limit:,} pixels; {way_out}")
    return PageSize(path=path, page=page, width=width, height=height, error=None)


def _unreadable(path: str, page: int, reason: str | Exception) -> PageSize:
    said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return PageSize(path=path, page=page, width=None, height=None, error=" ".join(said.split()))
