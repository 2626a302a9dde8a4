"""Seconds of one core that a page takes before the GPU sees it: the steps that the checkpoint's own code takes."""

from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.roles import Crops
from dsocr_symbolic.language.time_formula import host_symbols, load_time
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.claims import CALIBRATE
from dsocr_symbolic.scenario.page_contents import PageContent


@frozen(kw_only=True)
class PageViews:
    """What becomes of a page.

    Attributes
    ----------
    columns, rows : int
        Crops side by side and above one another; 0 where the page is not cut.
    crop_side, side : int
        Pixels along a side of a crop, and of the view of the whole page.
    squashed : bool
        Whether the whole page is brought to a square, not padded to one.
    """

    columns: int
    rows: int
    crop_side: int
    side: int
    squashed: bool


@frozen(kw_only=True)
class HostSeconds:
    """Seconds of one core.

    Attributes
    ----------
    opening, resizing, copying, tensors : float
        Decoding or drawing; bringing it to other sizes; cutting crops and padding; tensors, normalised.
    """

    opening: float
    resizing: float
    copying: float
    tensors: float

    @property
    def total(self) -> float:
        """All of them: one core does one after the other."""
        return self.opening + self.resizing + self.copying + self.tensors


def views_of(crops: Crops, numbers: Mapping[str, Any], document: str, grid: tuple[int, int]) -> PageViews | None:
    """Say what becomes of a page.

    Parameters
    ----------
    crops : Crops
        What the model file says of views.
    numbers : mapping of str to number
        All symbols.
    document : str
        That of the workload: ``crop`` or ``native``.
    grid : tuple of int
        Columns and rows of the page's crops.

    Returns
    -------
    PageViews or None
        None where the model file does not say how large the whole page's view is.
    """
    if not crops.whole:
        return None
    side, native = int(numbers[crops.whole]), document == "native"
    columns, rows = (0, 0) if native else grid
    return PageViews(
        columns=columns,
        rows=rows,
        crop_side=int(numbers[crops.side]),
        side=side,
        squashed=native and side <= crops.squash,
    )


def unmeasured(kind: str, known: Mapping[str, Any]) -> str:
    """Say why there are no seconds for pages of a kind; nothing where there are."""
    if not kind:
        return "no formula in formulas/time/host is for such a page"
    times = [load_time(f"host/{name}") for name in (kind, "resize", "copy", "tensor")]
    used = {name for time in times for name in names(time.seconds)} & host_symbols("page")
    lacking = sorted(name for name in used if known.get(name) is None)
    return f"{lacking[0]} is not measured; {CALIBRATE}" if lacking else ""


def host_seconds(content: PageContent, views: PageViews, known: Mapping[str, Any]) -> HostSeconds:
    """Return what a page takes on the host.

    Parameters
    ----------
    content : PageContent
        What it holds.
    views : PageViews
        What becomes of it.
    known : mapping of str to number or None
        The machine's symbols, such as :attr:`Values.known`.

    Returns
    -------
    HostSeconds
        In seconds of one core.

    Raises
    ------
    UserError
        If a constant that it takes is not measured.
    """
    if why := unmeasured(content.kind, known):
        raise UserError(f"{content.said}: {why}")

    def seconds(name: str, **amounts: float) -> float:
        return float(load_time(f"host/{name}").spelled({**known, **amounts}, arithmetic)["seconds"])

    def resized(width: int, height: int) -> float:
        if (width, height) == (content.width, content.height):
            return 0.0
        return seconds("resize", width=content.width, height=content.height, target_width=width, target_height=height)

    crops, crop, whole = views.columns * views.rows, views.crop_side**2, views.side**2
    resizing, copied = 0.0, 0
    if crops:
        resizing += resized(views.columns * views.crop_side, views.rows * views.crop_side)
        copied += crops * crop
    if views.squashed:
        resizing += resized(views.side, views.side)
    else:
        inside = contained(content.width, content.height, views.side)
        resizing += resized(*inside)
        copied += 0 if inside == (views.side, views.side) else inside[0] * inside[1]
    asked = {name: content.amounts[name] for name in load_time(f"host/{content.kind}").arguments}
    tensors = seconds("tensor", pixels=whole) + (crops * seconds("tensor", pixels=crop) if crops else 0.0)
    return HostSeconds(
        opening=seconds(content.kind, **asked),
        resizing=resizing,
        copying=seconds("copy", pixels=copied) if copied else 0.0,
        tensors=tensors,
    )


def contained(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the size of a page that is brought into a square as it is, as ImageOps.contain does."""
    if width == height:
        return side, side
    if width > height:
        return side, max(1, round(height / width * side))
    return max(1, round(width / height * side)), side
