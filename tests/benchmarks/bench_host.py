"""Host seconds of pages against what they take. Run: python tests/benchmarks/bench_host.py HOST.yaml [FOLDER].

HOST.yaml is what dsocr calibrate --documents wrote on this machine. The pages are none that it was fitted on: other
seeds, sizes, qualities and kinds of content, and those of FOLDER. CPU seconds of one core, the quickest of several
calls; goals are 15 % for pictures and 30 % for PDF.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

from attrs import frozen

from dsocr_symbolic.evaluation.host_work import PageViews, host_seconds, unmeasured
from dsocr_symbolic.measurement.pages import made, steps
from dsocr_symbolic.measurement.pages.documents import quickest
from dsocr_symbolic.scenario.crop_grids import crop_grid
from dsocr_symbolic.scenario.documents import SUFFIXES
from dsocr_symbolic.scenario.hardware import load_gpu, load_host, with_host
from dsocr_symbolic.scenario.page_contents import PageContent, pdf_contents, picture_content

ROUNDS = 6
GOALS = {"picture": 0.15, "pdf": 0.30}


@frozen(kw_only=True)
class Held:
    """A page that nothing was fitted on."""

    name: str
    kind: str
    data: bytes
    content: PageContent
    dpi: float = 144.0
    page: int = 0


def held_out() -> Iterator[Held]:
    """Make pages that the calibration does not."""
    from io import BytesIO

    seeds = iter(range(100, 999))
    for form, settings in (
        ("JPEG", {"quality": 75}),
        ("JPEG", {"quality": 92}),
        ("JPEG", {"quality": 70, "subsampling": 1}),
        ("JPEG", {"quality": 80, "progressive": True}),
        ("PNG", {}),
        ("PNG", {"compress_level": 2}),
        ("WEBP", {"quality": 70}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ):
        for kind, size, mode in (
            ("text", (850, 1100), "RGB"),
            ("text", (1654, 2339), "L"),
            ("photo", (1600, 1200), "RGB"),
            ("photo", (1000, 1400), "L"),
            ("form", (1275, 1650), "RGB"),
        ):
            data = made.saved(made.PICTURES[kind](*size, next(seeds)).convert(mode), form, settings)
            said = " ".join(
                [form, *(f"{name} {value}" for name, value in settings.items()), kind, mode, "x".join(map(str, size))]
            )
            yield Held(name=said, kind="picture", data=data, content=picture_content(BytesIO(data), len(data)))
    for points, leading, dpi in ((9, 1.2, 144), (11, 1.5, 144), (14, 1.2, 110), (9, 1.15, 200)):
        data = made.text_pdf(points, next(seeds), leading)
        yield Held(
            name=f"PDF text {points} pt {dpi} dpi", kind="pdf", data=data, content=pdf_contents(data, dpi)[0], dpi=dpi
        )
    for kind, size, mode, quality, dpi in (
        ("form", (1240, 1754), "RGB", 75, 144),
        ("text", (1240, 1754), "L", 80, 144),
        ("photo", (1000, 1414), "RGB", 85, 144),
        ("form", (2480, 3508), "RGB", 75, 144),
        ("text", (2200, 3110), "L", 60, 110),
    ):
        data = made.scan_pdf(made.PICTURES[kind](*size, next(seeds)).convert(mode), {"quality": quality})
        name = f"PDF scan {kind} {mode} quality {quality} {size[0]}x{size[1]} {dpi} dpi"
        yield _pdf(name, data, dpi)


def _pdf(name: str, data: bytes, dpi: float) -> Held:
    return Held(name=name, kind="pdf", data=data, content=pdf_contents(data, dpi)[0], dpi=dpi)


def of_folder(folder: Path) -> Iterator[Held]:
    """Read pages of a folder."""
    from io import BytesIO

    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        data = path.read_bytes()
        try:
            if b"%PDF-" in data[:1024]:
                for page, content in enumerate(pdf_contents(data, 144)[:4]):
                    yield Held(name=f"{path.name}:{page + 1}", kind="pdf", data=data, content=content, page=page)
            else:
                content = picture_content(BytesIO(data), len(data))
                yield Held(name=f"{path.name} ({content.said})", kind="picture", data=data, content=content)
        except Exception as error:  # noqa: BLE001 - decoders raise almost anything
            print(f"left out: {path}: {error}")


def views(content: PageContent) -> PageViews:
    """Cut a page as gundam does."""
    columns, rows = crop_grid(content.width, content.height, side=640, uncut=640, least=2, most=9)
    return PageViews(columns=columns, rows=rows, crop_side=640, side=1024, squashed=False)


def whole(held: Held) -> None:
    """Take all steps of a page."""
    image = steps.drawn(held.data, held.dpi, held.page) if held.kind == "pdf" else steps.opened(held.data)
    steps.prepared(image, views(held.content))


def main() -> None:
    """Print predicted over measured for each page, then how many reach the goals."""
    host = load_host(sys.argv[1])
    if host is None:
        raise SystemExit(f"{sys.argv[1]}: is no host file of dsocr calibrate --documents")
    gpu = with_host(load_gpu("h200"), host)
    from dsocr_symbolic.language.registry import load_machine

    known = {
        name: float(gpu.numbers[symbol.gpu[0]].value_si)
        for name, symbol in load_machine().items()
        if symbol.scales is not None and symbol.gpu[0] in gpu.numbers
    }
    pages = [*held_out(), *(page for folder in sys.argv[2:] for page in of_folder(Path(folder)))]
    pages = [page for page in pages if not unmeasured(page.content.kind, known)]
    took = quickest({page.name: (lambda page=page: whole(page)) for page in pages}, ROUNDS)
    ratios: dict[str, list[float]] = {}
    for page in pages:
        said = host_seconds(page.content, views(page.content), known)
        ratio = said.total / took[page.name]
        ratios.setdefault(page.kind, []).append(ratio)
        print(f"{ratio:6.3f}  {said.total * 1e3:8.2f} ms of {took[page.name] * 1e3:8.2f} ms  {page.name}")
    for kind, found in ratios.items():
        errors = [abs(ratio - 1) for ratio in found]
        within = sum(error <= GOALS[kind] for error in errors)
        bias = math.exp(mean(map(math.log, found))) - 1
        said = f"error mean {mean(errors):.1%}, median {median(errors):.1%}, worst {max(errors):.1%}, bias {bias:+.1%}"
        print(f"{kind}: {len(found)} pages, {said}; {within} of {len(found)} within {GOALS[kind]:.0%}")


if __name__ == "__main__":
    main()
