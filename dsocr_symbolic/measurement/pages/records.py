"""What is measured, by groups: a call, the formula that stands for it, and what that asks for."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from itertools import product
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.files.calibration_file import PagesFile, PicturesEntry
from dsocr_symbolic.measurement.pages import made, steps
from dsocr_symbolic.scenario.page_contents import PageContent, pdf_contents, picture_content

_SEED = 11


@frozen(kw_only=True)
class PageRecord:
    """One page or step.

    Attributes
    ----------
    name, group, use : str
        Its name, its group, and the formula of ``formulas/time/host`` that stands for it.
    amounts : mapping of str to number
        What that formula asks for.
    call : callable
        What is timed.
    """

    name: str
    group: str
    use: str
    amounts: Mapping[str, float]
    call: Callable[[], object]


def page_records(pages: PagesFile) -> Iterator[PageRecord]:
    """Make the records of all groups, one at a time."""
    for group, entry in pages.pictures.items():
        yield from _pictures(group, entry)
    for points, dpi in product(pages.pdfs.text.points, pages.pdfs.text.dpi):
        yield drawn_record(f"text {points} pt {dpi} dpi", "text", made.text_pdf(points, _SEED), dpi)
    scans = pages.pdfs.scans
    for kind, mode, settings, size in product(scans.made, scans.modes, scans.settings, scans.sizes):
        data = made.scan_pdf(_picture(kind, *size).convert(mode), settings)
        for dpi in scans.dpi:
            yield drawn_record(f"scan {kind} {mode} {_said(settings)}{_by(size)} {dpi} dpi", "scans", data, dpi)
    yield from _steps(pages)


def _pictures(group: str, entry: PicturesEntry) -> Iterator[PageRecord]:
    for kind, size, mode, settings in product(entry.made, entry.sizes, entry.modes, entry.settings):
        data = made.saved(_picture(kind, *size).convert(mode), entry.format, settings)
        yield opened_record(f"{group} {kind} {mode} {_said(settings)}{_by(size)}", group, data, use=entry.use)


def opened_record(name: str, group: str, data: bytes, use: str = "") -> PageRecord:
    """Return the record of a picture that is opened."""
    content: PageContent = picture_content(BytesIO(data), len(data))
    return PageRecord(
        name=name, group=group, use=use or content.kind, amounts=content.amounts, call=lambda: steps.opened(data)
    )


def drawn_record(name: str, group: str, data: bytes, dpi: float, page: int = 0) -> PageRecord:
    """Return the record of a PDF page that is drawn."""
    content = pdf_contents(data, dpi)[page]
    return PageRecord(
        name=name, group=group, use="pdf", amounts=content.amounts, call=lambda: steps.drawn(data, dpi, page)
    )


def _steps(pages: PagesFile) -> Iterator[PageRecord]:
    for size, target in product(pages.resizes.sizes, pages.resizes.targets):
        image = _picture("photo", *size)
        amounts = dict(zip(("width", "height", "target_width", "target_height"), (*size, *target), strict=True))
        name = f"resize {_by(size)} to {_by(target)}"
        yield PageRecord(
            name=name,
            group="resizes",
            use="resize",
            amounts=amounts,
            call=lambda image=image, target=target: steps.resized(image, *target),  # type: ignore[misc]
        )
    for side in pages.copies:
        image = _picture("photo", 2 * side, side)
        yield PageRecord(
            name=f"copy {side}",
            group="copies",
            use="copy",
            amounts={"pixels": 2 * side * side},
            call=lambda image=image, side=side: steps.cut(image, 2, 1, side),  # type: ignore[misc]
        )
    for side in pages.tensors:
        image = _picture("photo", side, side)
        yield PageRecord(
            name=f"tensor {side}",
            group="tensors",
            use="tensor",
            amounts={"pixels": side * side},
            call=lambda image=image: steps.tensor(image),  # type: ignore[misc]
        )


@lru_cache(maxsize=64)
def _picture(kind: str, width: int, height: int) -> Any:
    return made.PICTURES[kind](width, height, _SEED)


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def _said(settings: Mapping[str, Any]) -> str:
    return "".join(f"{name} {value} " for name, value in settings.items())
