import math
import os
import struct
import warnings
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image, ImageFile, ImageOps, TiffImagePlugin

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.scenario.crop_grids import all_grids, crop_grid
from dsocr_symbolic.scenario.documents import SUFFIXES, PageSize, read_pages

SIDES = st.integers(1, 12_000)
CROPS = find_definition("deepseek-ocr").roles.crops


def reference_grid(
    width: int, height: int, *, side: int = 640, uncut: int = 640, least: int = 2, most: int = 9
) -> tuple[int, int]:
    """Choose a grid by the letter of the network's own preprocessing: same set, same loops, same floats."""
    if width <= uncut and height <= uncut:
        return (0, 0)
    seen: set[tuple[int, int]] = set()
    for longest in range(least, most + 1):
        for i in range(1, longest + 1):
            for j in range(1, longest + 1):
                if least <= i * j <= most:
                    seen.add((i, j))
    best, best_difference = (1, 1), float("inf")
    for i, j in sorted(seen, key=lambda pair: pair[0] * pair[1]):
        difference = abs(width / height - i / j)
        if difference < best_difference:
            best, best_difference = (i, j), difference
        elif difference == best_difference and width * height > 0.5 * side * side * i * j:
            best = (i, j)
    return best


def only(path: Path | str, **options: float) -> PageSize:
    (page,) = read_pages([str(path)], **options)
    return page


def sizes(path: Path | str, **options: float) -> list[tuple[int | None, int | None]]:
    return [(page.width, page.height) for page in read_pages([str(path)], **options)]


def assert_unreadable(page: PageSize, *words: str) -> None:
    assert (page.width, page.height) == (None, None)
    assert page.error
    assert "\n" not in page.error
    for word in words:
        assert word in page.error.lower()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)


def write_pdf(path: Path, *pages: tuple[float, float, int]) -> Path:
    document = pypdfium2.PdfDocument.new()
    for width, height, turn in pages:
        document.new_page(width, height).set_rotation(turn)
    document.save(str(path))
    document.close()
    return path


def pdf_of_objects(*objects: bytes, trailer: bytes) -> bytes:
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


# crop grids


@pytest.mark.parametrize(
    ("width", "height", "grid"),
    [
        (640, 640, (0, 0)),
        (1, 640, (0, 0)),
        (641, 640, (2, 2)),
        (700, 500, (3, 2)),
        (1191, 1684, (2, 3)),
        (1684, 1191, (3, 2)),
        (2000, 2000, (3, 3)),
        (1280, 640, (2, 1)),
        (5000, 100, (9, 1)),
        (100, 5000, (1, 9)),
    ],
)
def test_known_grids(width: int, height: int, grid: tuple[int, int]) -> None:
    assert crop_grid(width, height) == grid


def test_there_are_22_grids_and_each_can_be_chosen() -> None:
    assert len(all_grids()) == len(set(all_grids())) == 22
    assert all(2 <= columns * rows <= 9 for columns, rows in all_grids())
    chosen = {crop_grid(columns * 640, rows * 640) for columns, rows in all_grids()}
    assert chosen == set(all_grids())


def test_grids_stand_in_the_order_in_which_the_network_tries_them() -> None:
    for least in range(2, 7):
        for most in range(least, 26):
            network = {
                (i, j)
                for n in range(least, most + 1)
                for i in range(1, n + 1)
                for j in range(1, n + 1)
                if least <= i * j <= most
            }
            assert list(all_grids(least, most)) == sorted(network, key=lambda pair: pair[0] * pair[1])


@settings(max_examples=400, deadline=None)
@given(width=SIDES, height=SIDES)
def test_agrees_with_the_networks_choice(width: int, height: int) -> None:
    assert crop_grid(width, height) == reference_grid(width, height)
    assert crop_grid(width, height) in {*all_grids(), (0, 0)}


@settings(max_examples=200, deadline=None)
@given(
    width=SIDES,
    height=SIDES,
    side=st.sampled_from([320, 512, 640, 1024]),
    uncut=st.sampled_from([1, 640, 641, 5000]),
    least=st.integers(2, 5),
    more=st.integers(0, 20),
)
def test_agrees_for_other_limits(width: int, height: int, least: int, more: int, **pixels: int) -> None:
    limits = {**pixels, "least": least, "most": least + more}
    assert crop_grid(width, height, **limits) == reference_grid(width, height, **limits)


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(560, 720),
    height=st.integers(560, 720),
    side=st.sampled_from([320, 512, 1024]),
    most=st.integers(2, 12),
)
def test_around_640_pixels_a_page_is_cut_whatever_the_side_of_a_crop(
    width: int, height: int, side: int, most: int
) -> None:
    """The network compares with a literal 640; the definition's role says so."""
    assert CROPS is not None
    grid = crop_grid(width, height, **CROPS.cutting({"image_size": side, "max_crops": most}))
    assert grid == reference_grid(width, height, side=side, most=most)
    assert (grid == (0, 0)) == (max(width, height) <= 640)


def test_a_cut_page_is_never_one_crop() -> None:
    """A 1 x 1 grid is what the network calls an uncut page; among the grids that it tries there is none."""
    for least in (2, 3):
        for most in range(least, 12):
            assert min(columns * rows for columns, rows in all_grids(least, most)) >= 2
    with pytest.raises(UserError, match=r"10001 pieces of a page: at most 10000"):
        all_grids(2, 10_001)


def test_agrees_on_exact_ties() -> None:
    """Midway between any two ratios, and on every ratio around the area where a tie turns."""
    grids = all_grids()
    for i, j in grids:
        for k, m in grids:
            above, below = i * m + k * j, 2 * j * m  # the mean of i/j and k/m
            for scale in (1, 7, 100, 641):
                size = (above * scale, below * scale)
                assert crop_grid(*size) == reference_grid(*size)
        for unit in range(100, 1100, 3):
            assert crop_grid(i * unit, j * unit) == reference_grid(i * unit, j * unit)


def test_tie_between_square_grids_turns_at_half_the_pixels() -> None:
    turn = math.isqrt(640 * 640 * 9 // 2)
    assert crop_grid(turn, turn) == (2, 2)
    assert crop_grid(turn + 1, turn + 1) == (3, 3)


def test_only_with_most_below_4_do_grids_of_equal_area_tie() -> None:
    """For the network's limits the order of a set cannot matter: such neighbours differ in area."""
    for most in range(2, 30):
        ratios = sorted(all_grids(2, most), key=lambda grid: (grid[0] / grid[1], grid))
        equal = [(a, b) for a, b in pairwise(ratios) if a[0] * a[1] == b[0] * b[1]]
        assert bool(equal) == (most < 4)
    assert crop_grid(1000, 800, most=3) == reference_grid(1000, 800, most=3)


@pytest.mark.parametrize(
    ("size", "options", "word"),
    [
        ((0, 5), {}, "width"),
        ((5, -1), {}, "height"),
        ((5, 5), {"side": 0}, "side"),
        ((5, 5), {"uncut": 0}, "uncut"),
        ((5, 5), {"least": 4, "most": 3}, "least"),
        ((5, 5), {"least": 1}, "least"),
    ],
)
def test_impossible_grids_are_refused(size: tuple[int, int], options: dict[str, int], word: str) -> None:
    with pytest.raises(UserError, match=f"^{word}: [^\n]*$"):
        crop_grid(*size, **options)


# images


# Formats whose name Pillow does not write under: what it calls them.
FORMATS = {".pgm": "L", ".pbm": "1"}


@pytest.mark.parametrize("suffix", [*sorted(SUFFIXES - {".pdf", ".heic", ".heif"}), ".PNG"])
def test_image_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"page{suffix}"
    Image.new(FORMATS.get(suffix, "RGB"), (37, 21)).save(path)
    page = PageSize(path=str(path), page=1, width=37, height=21, error=None)
    assert only(path) == page
    assert list(read_pages([str(tmp_path)])) == [page]


def test_sizes_are_read_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in SUFFIXES - {".pdf", ".heic", ".heif"}:
        Image.new(FORMATS.get(suffix, "RGB"), (37, 21)).save(tmp_path / f"page{suffix}")

    def load(image: Image.Image) -> None:
        raise AssertionError(f"{image.format} is decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    pages = list(read_pages([str(tmp_path)]))
    assert len(pages) == len(SUFFIXES) - 3
    assert {(page.width, page.height, page.error) for page in pages} == {(37, 21, None)}


def test_heic_says_what_to_do(tmp_path: Path) -> None:
    for name, brand in (("a.heic", b"heic"), ("b.jpg", b"mif1"), ("c.HEIF", b"heix")):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(80))
    pages = list(read_pages([str(tmp_path)]))
    assert [Path(page.path).name for page in pages] == ["a.heic", "b.jpg", "c.HEIF"]
    for page in pages:
        assert_unreadable(page, "heic", "cannot open", "convert it to png or jpeg")


def test_avif_where_pillow_lacks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (37, 21)).save(tmp_path / "a.avif")
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    assert_unreadable(only(tmp_path / "a.avif"), "avif", "convert it to png or jpeg", "11.3")


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_orientation_is_the_networks(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"page{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (37, 21)).save(path, exif=exif)
    expected = (21, 37) if orientation in {5, 6, 7, 8} else (37, 21)
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).size == expected
    assert sizes(path) == [expected]


def test_png_orientation_after_the_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "page.png"
    Image.new("RGB", (37, 21)).save(path)
    content = path.read_bytes()
    note = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    path.write_bytes(content[:-12] + note + content[-12:])
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).size == (21, 37)
    assert sizes(path) == [(21, 37)]


def test_malformed_exif_means_upright(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    Image.new("RGB", (37, 21)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert sizes(path) == [(37, 21)]


def test_every_tiff_frame_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    upright, turned = TiffImagePlugin.ImageFileDirectory_v2(), TiffImagePlugin.ImageFileDirectory_v2()
    turned[274] = 8
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as writer:
        for size, tags in (((10, 20), upright), ((30, 40), turned), ((50, 60), upright)):
            Image.new("L", size).save(writer, format="TIFF", tiffinfo=tags)
            writer.newFrame()
    pages = list(read_pages([str(path)]))
    assert [page.page for page in pages] == [1, 2, 3]
    assert [(page.width, page.height) for page in pages] == [(10, 20), (40, 30), (50, 60)]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_only_the_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"moving{suffix}"
    frames = [Image.new("RGB", (9, 5), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert sizes(path) == [(9, 5)]


def huge_png(path: Path, width: int, height: int) -> Path:
    path.write_bytes(png_header(width, height) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""))
    return path


def test_huge_image_is_read_without_decoding_or_warning(tmp_path: Path) -> None:
    path = huge_png(tmp_path / "huge.png", 13_000, 13_000)
    limit = Image.MAX_IMAGE_PIXELS
    assert limit is not None
    assert limit < 13_000**2 < 2 * limit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sizes(path) == [(13_000, 13_000)]
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(("width", "height"), [(178_956_970, 1), (178_956_971, 1), (60_000, 60_000), (2**31 - 1,) * 2])
def test_a_page_is_refused_where_pillow_refuses_to_decode_it(tmp_path: Path, width: int, height: int) -> None:
    path = huge_png(tmp_path / "huge.png", width, height)
    refused = width * height > 178_956_970
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path).close()
        assert not refused
    except Image.DecompressionBombError:
        assert refused
    if refused:
        assert_unreadable(only(path), f"{width} x {height} pixels", "at most 178,956,970", "scale it down")
    else:
        assert sizes(path) == [(width, height)]


def test_who_lifts_pillows_limit_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert sizes(huge_png(tmp_path / "huge.png", 60_000, 60_000)) == [(60_000, 60_000)]


def test_a_pdf_page_is_refused_at_a_dpi_that_makes_it_too_large(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "poster.pdf", (2384, 3370, 0), (100, 100, 0))
    assert [page.error for page in read_pages([str(path)], dpi=300)] == [None, None]
    poster, small = read_pages([str(path)], dpi=400)
    assert_unreadable(poster, "13245 x 18723 pixels at 400 dpi", "178,956,970", "lower --dpi")
    assert small.error is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".pdf", ".jp2", ".avif", ".ppm"])
def test_truncation_anywhere_is_never_a_traceback(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"page{suffix}"
    Image.effect_noise((64, 48), 50).convert("RGB").save(path)
    content = path.read_bytes()
    for length in {*range(0, 200, 9), len(content) // 2, len(content) - 1}:
        path.write_bytes(content[:length])
        for page in read_pages([str(path)]):
            assert (page.error is None) == (page.width is not None)
    path.write_bytes(content[: 4 if suffix == ".ppm" else 12])
    assert_unreadable(only(path))


def test_text_named_as_an_image(tmp_path: Path) -> None:
    path = tmp_path / "note.png"
    path.write_text("not an image\n")
    assert_unreadable(only(path), "not an image")


# PDFs


def test_pdf_pages_are_sized_as_pdfium_renders_them(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", (595.276, 841.89, 0), (612, 792, 90), (100.1, 33.3, 180), (0.2, 0.2, 0))
    assert sizes(path)[:2] == [(1191, 1684), (1584, 1224)]
    for dpi in (144, 72, 96.5, 200):
        document = pypdfium2.PdfDocument(path)
        rendered = [page.render(scale=dpi / 72) for page in document]
        assert sizes(path, dpi=dpi) == [(bitmap.width, bitmap.height) for bitmap in rendered]
        document.close()


@settings(max_examples=30, deadline=None)
@given(width=st.floats(3, 3000), height=st.floats(3, 3000), dpi=st.floats(1, 300), turn=st.sampled_from([0, 90]))
def test_pdf_page_size_is_what_render_computes(
    tmp_path_factory: pytest.TempPathFactory, width: float, height: float, dpi: float, turn: int
) -> None:
    path = write_pdf(tmp_path_factory.mktemp("pdf") / "a.pdf", (width, height, turn))
    document = pypdfium2.PdfDocument(path)
    expected = [math.ceil(side * (dpi / 72)) for side in document[0].get_size()]
    document.close()
    assert sizes(path, dpi=dpi) == [tuple(expected)]


def page_object(box: bytes, more: bytes = b"", parent: int = 2) -> bytes:
    return b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %s] %s >>" % (parent, box, more)


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"


def test_user_units_are_honoured_though_pdfium_ignores_them(tmp_path: Path) -> None:
    path = tmp_path / "plan.pdf"
    path.write_bytes(
        pdf_of_objects(
            CATALOG,
            b"<< /Type /Pages /Kids [3 0 R 4 0 R 6 0 R] /Count 4 /UserUnit 9 >>",
            page_object(b"100 50", b"/UserUnit 2 /Rotate 90"),
            b"<< /Type /Pages /Parent 2 0 R /Kids 7 0 R /Count 2 >>",
            page_object(b"100 50", b"/PieceInfo << /Plan << /UserUnit 5 /Note (\\(a >> b\\)) >> >>", 4),
            page_object(b"100 50", b"/UserUnit 8 0 R"),
            b"[ 5 0 R 9 0 R ]",
            b"1.5",
            page_object(b"10.1 10.1", b"/UserUnit 1.0", 4),
            trailer=b"",
        )
    )
    document = pypdfium2.PdfDocument(path)
    assert [page.get_size() for page in document][::3] == [(50, 100), (100, 50)]
    document.close()
    # Neither inherited nor of a dictionary inside; rotated and by reference too.
    assert sizes(path, dpi=72) == [(100, 200), (100, 50), (11, 11), (150, 75)]
    assert sizes(path, dpi=144) == [(200, 400), (200, 100), (21, 21), (300, 150)]


def test_user_units_in_object_streams(tmp_path: Path) -> None:
    """Compressed, nothing of the page shows in the file's bytes."""
    path = tmp_path / "plan.pdf"
    objects = [CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page_object(b"100 50", b"/UserUnit 3")]
    offsets = [sum(len(content) + 1 for content in objects[:place]) for place in range(3)]
    numbers = b" ".join(b"%d %d" % (place + 1, offset) for place, offset in enumerate(offsets)) + b" "
    packed = zlib.compress(numbers + b" ".join(objects))
    filtered = b"/Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream\nendobj\n"
    body = b"%%PDF-1.5\n4 0 obj\n<< /Type /ObjStm /N 3 /First %d " % len(numbers) + filtered % (len(packed), packed)
    rows = [(0, 0, 65535), (2, 4, 0), (2, 4, 1), (2, 4, 2), (1, len(b"%PDF-1.5\n"), 0), (1, len(body), 0)]
    table = zlib.compress(b"".join(struct.pack(">BIH", *row) for row in rows))
    index = b"5 0 obj\n<< /Type /XRef /Size 6 /W [1 4 2] /Root 1 0 R " + filtered % (len(table), table)
    path.write_bytes(body + index + b"startxref\n%d\n%%%%EOF\n" % len(body))
    assert b"UserUnit" not in path.read_bytes()
    assert sizes(path, dpi=72) == [(300, 150)]


def test_a_user_unit_of_no_page_in_particular_is_no_silence(tmp_path: Path) -> None:
    path = tmp_path / "plan.pdf"
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 2 >>"
    path.write_bytes(pdf_of_objects(CATALOG, pages, page_object(b"9 9", b"/UserUnit 2"), trailer=b""))
    assert_unreadable(only(path), "userunit", "cannot be told", "write the file anew")


def test_pdf_is_known_by_its_content(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "page.png", (72, 144, 0))
    path.write_bytes(b"\n" * 500 + path.read_bytes())
    assert sizes(path) == [(144, 288)]


def test_pdf_made_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    Image.new("RGB", (300, 200)).save(path, resolution=72)
    assert sizes(path, dpi=72) == [(300, 200)]


def test_encrypted_pdf_and_then_one_without_pages(tmp_path: Path) -> None:
    path, blank = tmp_path / "secret.pdf", tmp_path / "blank.pdf"
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"ab" * 32, b"cd" * 32)
    path.write_bytes(
        pdf_of_objects(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
            lock,
            trailer=b"/Encrypt 4 0 R /ID [<00> <00>]",
        )
    )
    blank.write_bytes(
        pdf_of_objects(
            b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>", b"null", trailer=b""
        )
    )
    secret, empty = read_pages([str(path), str(blank)])
    assert_unreadable(secret, "password")
    assert_unreadable(empty, "no page")


def test_one_bad_pdf_page_does_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "short.pdf"
    path.write_bytes(
        pdf_of_objects(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 2 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 50] /Rotate 450 >>",
            trailer=b"",
        )
    )
    first, second = read_pages([str(path)], dpi=72)
    assert (first.width, first.height) == (50, 100)
    assert second.page == 2
    assert_unreadable(second)


def test_broken_pdf(tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.4\nnothing more\n")
    assert_unreadable(only(path), "damaged")
    whole = write_pdf(path, (720, 720, 0))
    assert_unreadable(only(whole, dpi=1e308), "no size")


@pytest.mark.parametrize("dpi", [0, -1, math.nan, math.inf])
def test_impossible_dpi_is_refused_at_once(dpi: float) -> None:
    with pytest.raises(UserError, match="dpi"):
        read_pages([], dpi=dpi)


# folders and paths


def test_folder_is_walked_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.JPG", "a/b/deep.bmp", "c.gif", "a.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3)).save(path)
    (tmp_path / "a" / "notes.txt").write_text("skip me")
    (tmp_path / "ring").symlink_to(tmp_path)
    write_pdf(tmp_path / "d.pdf", (10, 10, 0), (20, 20, 0))
    left_out = Counter[str]()
    pages = list(read_pages([str(tmp_path)], left_out=left_out))
    assert left_out == {".txt": 1, "links to folders": 1}
    names = [(str(Path(page.path).relative_to(tmp_path)), page.page) for page in pages]
    images = ["a/b/deep.bmp", "a/z.JPG", "a.png", "b.png", "c.gif"]
    assert names == [*((name, 1) for name in images), ("d.pdf", 1), ("d.pdf", 2)]
    assert all(page.error is None for page in pages)


def test_a_folder_is_accounted_for_to_the_last_entry(tmp_path: Path) -> None:
    """Every entry of a folder is a page, an error, or counted as left out: hidden ones, links and pipes too."""
    for name in (".hidden.png", ".git/x.png", "a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (3, 3)).save(tmp_path / name)
    for name in ("a.docx", "b.DOCX", "c.svg", "Makefile", ".hidden"):
        (tmp_path / name).write_text("text")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "ring.png").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    left_out = Counter[str]()
    pages = list(read_pages([str(tmp_path)], left_out=left_out))
    found = {str(Path(page.path).relative_to(tmp_path)): page.error for page in pages}
    assert {name for name, error in found.items() if error is None} == {
        ".hidden.png",
        ".git/x.png",
        "a.png",
        "link.png",
    }
    assert found["nowhere.png"] == "No such file or directory"
    assert found["pipe.png"] == "neither a file nor a folder"
    assert left_out == {".docx": 2, ".svg": 1, "no suffix": 3, "links to folders": 1}
    entries = [path for path in tmp_path.rglob("*") if path.name not in {".git", "folder.png"}]
    assert len(found) + left_out.total() == len(entries)


def test_a_folder_that_lists_names_alone_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to enter it, what its entries are cannot be seen: none of them is passed over."""
    (tmp_path / "sub").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "sub" / "a.png")
    seen = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        if path == tmp_path / "sub":
            raise PermissionError(13, "Permission denied")
        return seen(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert_unreadable(only(tmp_path), "permission denied")


def test_unreadable_paths_do_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("void").mkdir()
    Path("~good.image").write_bytes(b"")
    Image.new("L", (8, 9)).save("~good.image", format="PNG")
    write_pdf(Path("~good"), (36, 36, 0))
    missing, empty, nameless, too_long, nul, image, pdf = read_pages(
        ["missing.png", "void", "", "x" * 5000, "a\0b", "~good.image", "~good"]
    )
    assert_unreadable(missing, "no such file")
    assert_unreadable(empty, "holds no image or pdf")
    for page in (nameless, too_long, nul):
        assert_unreadable(page)
    assert (image.width, image.height, image.path) == (8, 9, "~good.image")
    assert (pdf.width, pdf.height) == (72, 72)


def test_pages_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *[(10, 10, 0)] * 3)
    pages = read_pages([str(path), str(tmp_path / "missing")])
    assert next(pages).page == 1
    assert next(pages).page == 2
    pages.close()  # type: ignore[attr-defined]
