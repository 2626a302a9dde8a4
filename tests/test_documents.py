import math
import struct
import warnings
import zlib
from itertools import pairwise
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, TiffImagePlugin

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.scenario.crop_grids import all_grids, crop_grid
from dsocr_symbolic.scenario.documents import PageSize, read_pages

SIDES = st.integers(1, 12_000)


def reference_grid(width: int, height: int, tile: int = 640, least: int = 2, most: int = 9) -> tuple[int, int]:
    """Choose a grid by the letter of the network's own preprocessing: same set, same loops, same floats."""
    if width <= tile and height <= tile:
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
        elif difference == best_difference and width * height > 0.5 * tile * tile * i * j:
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
    width=SIDES, height=SIDES, tile=st.sampled_from([512, 640, 1024]), least=st.integers(2, 5), more=st.integers(0, 20)
)
def test_agrees_for_other_limits(width: int, height: int, tile: int, least: int, more: int) -> None:
    limits = {"tile": tile, "least": least, "most": least + more}
    assert crop_grid(width, height, **limits) == reference_grid(width, height, **limits)


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
        ((5, 5), {"tile": 0}, "tile"),
        ((5, 5), {"least": 4, "most": 3}, "least"),
        ((5, 5), {"least": 1}, "least"),
    ],
)
def test_impossible_grids_are_refused(size: tuple[int, int], options: dict[str, int], word: str) -> None:
    with pytest.raises(UserError, match=f"^{word}: [^\n]*$"):
        crop_grid(*size, **options)


# images


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".PNG"])
def test_image_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"page{suffix}"
    Image.new("RGB", (37, 21)).save(path)
    assert only(path) == PageSize(path=str(path), page=1, width=37, height=21, error=None)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
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


def test_huge_image_is_read_without_decoding_or_warning(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(60_000, 60_000) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""))
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sizes(path) == [(60_000, 60_000)]
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".pdf"])
def test_truncation_anywhere_is_never_a_traceback(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"page{suffix}"
    Image.effect_noise((64, 48), 50).convert("RGB").save(path)
    content = path.read_bytes()
    for length in {*range(0, 200, 9), len(content) // 2, len(content) - 1}:
        path.write_bytes(content[:length])
        for page in read_pages([str(path)]):
            assert (page.error is None) == (page.width is not None)
    path.write_bytes(content[:12])
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
@given(width=st.floats(3, 3000), height=st.floats(3, 3000), dpi=st.floats(1, 600), turn=st.sampled_from([0, 90]))
def test_pdf_page_size_is_what_render_computes(
    tmp_path_factory: pytest.TempPathFactory, width: float, height: float, dpi: float, turn: int
) -> None:
    path = write_pdf(tmp_path_factory.mktemp("pdf") / "a.pdf", (width, height, turn))
    document = pypdfium2.PdfDocument(path)
    expected = [math.ceil(side * (dpi / 72)) for side in document[0].get_size()]
    document.close()
    assert sizes(path, dpi=dpi) == [tuple(expected)]


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
    pages = list(read_pages([str(tmp_path)]))
    names = [(str(Path(page.path).relative_to(tmp_path)), page.page) for page in pages]
    images = ["a/b/deep.bmp", "a/z.JPG", "a.png", "b.png", "c.gif"]
    assert names == [*((name, 1) for name in images), ("d.pdf", 1), ("d.pdf", 2)]
    assert all(page.error is None for page in pages)


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
