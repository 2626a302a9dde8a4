"""Read formulas/calibration/: what is measured on a GPU and its host, and which constants that fixes."""

from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from attrs import frozen

from dsocr_symbolic.errors import check_known
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.schema import AMOUNT, BLANK, NAMES, entry, listed, structure, table
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files

T = TypeVar("T")
_SETTINGS = listed(table(AMOUNT))


@frozen(kw_only=True)
class TensorEntry:
    """A tensor that a call takes."""

    shape: tuple[int, ...] = entry("elements along each axis")
    dtype: str = entry("bf16, fp32, int64 or bool", default="bf16")
    order: tuple[int, ...] = entry(
        "its axes from the slowest to the fastest one in memory; in order unless said", default=()
    )
    part: tuple[int, ...] = entry("axis, start and stop of the slice that is taken of it", default=())
    values: str = entry("random, index, permutation or alternate", default="random")
    below: int = entry("what indices are below", default=0)
    expand: tuple[int, ...] = entry("the shape that it is expanded to, without a copy", default=())
    weight: bool = entry("whether it stays out of the cache in a cold call", default=False)


@frozen(kw_only=True)
class RecordEntry:
    """One call that is measured, and the formula that stands for it."""

    use: str = entry("the operator or layer whose kernels it runs")
    given: Mapping[str, Expression] = entry("a value for each symbol of that", key="with", default=BLANK)
    turns: tuple[str, ...] = entry("tensors of that whose innermost axis is not laid out in order", NAMES, default=())
    permutes: tuple[str, ...] = entry("tensors of that whose outer axes are not laid out in order", NAMES, default=())
    call: str = entry("what PyTorch is called with")
    tensors: tuple[TensorEntry, ...] = entry("operands of the call", default=())
    settings: Mapping[str, int | str] = entry("what the call takes besides", table(AMOUNT), default=BLANK)
    cold: bool = entry(
        "whether the cache is emptied before each call, but for operands that are no weights", default=False
    )
    training: bool = entry("whether the backward is measured", default=False)


@frozen(kw_only=True)
class FitEntry:
    """Constants that are fixed together."""

    constants: Mapping[str, float] = entry("symbols of machine.yaml, each with where the search begins, in SI")
    records: tuple[str, ...] = entry(
        "the measurements that fix them, RECORD or RECORD/KERNEL for one of its kernels", NAMES
    )


@frozen(kw_only=True)
class GridFile:
    """The calls that dsocr calibrate measures."""

    summary: str = entry("what the file is", default="")
    records: Mapping[str, RecordEntry] = entry("calls by name")
    fits: tuple[FitEntry, ...] = entry("what they fix, one after the other")

    def __attrs_post_init__(self) -> None:
        """Refuse a fit of what nobody measures."""
        for place, fit in enumerate(self.fits, start=1):
            check_known(fit.constants, load_machine(), f"fits: {place}: constants", "symbol")
            check_known(
                [name.partition("/")[0] for name in fit.records], self.records, f"fits: {place}: records", "record"
            )


@frozen(kw_only=True)
class TimedCall:
    """A layer that a component runs."""

    layer: str = entry("the formula file")
    given: Mapping[str, Expression] = entry(
        "a value for each symbol, of the component's settings", key="with", default=BLANK
    )


@frozen(kw_only=True)
class ComponentEntry:
    """A part of the network that dsocr measure runs, with the layers that stand for it."""

    layers: tuple[TimedCall, ...] = entry("what it runs, one after the other")
    choices: Mapping[str, tuple[str, ...]] = entry("options of the model's choices to combine", default=BLANK)
    eager: tuple[Mapping[str, int], ...] = entry("settings at which it is measured as the host launches it", default=())
    graph: tuple[Mapping[str, int], ...] = entry("settings at which a CUDA graph replays it", default=())
    backward: tuple[Mapping[str, int], ...] = entry("settings at which its backward is measured", default=())


@frozen(kw_only=True)
class ComponentsFile:
    """The parts of the network that dsocr measure runs."""

    summary: str = entry("what the file is", default="")
    components: Mapping[str, ComponentEntry] = entry("parts by name")


@frozen(kw_only=True)
class PicturesEntry:
    """Pictures: every combination of what is listed."""

    use: str = entry("the formula of formulas/time/host that stands for opening them")
    format: str = entry("what Pillow saves them as")
    made: tuple[str, ...] = entry("what they show: text, photo, form", NAMES)
    modes: tuple[str, ...] = entry("1, L or RGB", NAMES)
    settings: tuple[Mapping[str, int | str], ...] = entry("what saving takes besides", _SETTINGS, default=({},))
    sizes: tuple[tuple[int, ...], ...] = entry("width and height in pixels")


@frozen(kw_only=True)
class TextPdfEntry:
    """PDF pages of text."""

    points: tuple[int, ...] = entry("sizes of the font")
    dpi: tuple[int, ...] = entry("pixels per inch")


@frozen(kw_only=True)
class ScanPdfEntry:
    """PDF pages that hold one picture."""

    made: tuple[str, ...] = entry("what it shows", NAMES)
    modes: tuple[str, ...] = entry("L or RGB", NAMES)
    settings: tuple[Mapping[str, int | str], ...] = entry("what saving takes besides", _SETTINGS, default=({},))
    sizes: tuple[tuple[int, ...], ...] = entry("width and height of the picture in pixels")
    dpi: tuple[int, ...] = entry("pixels per inch, of an A4 page")


@frozen(kw_only=True)
class PdfsEntry:
    """PDF pages."""

    text: TextPdfEntry = entry("pages of text")
    scans: ScanPdfEntry = entry("pages that hold a picture")


@frozen(kw_only=True)
class ResizesEntry:
    """Resizes from each size to each target."""

    sizes: tuple[tuple[int, ...], ...] = entry("width and height in pixels")
    targets: tuple[tuple[int, ...], ...] = entry("width and height that they get")


@frozen(kw_only=True)
class PagesFit:
    """Constants that are fixed together."""

    constants: Mapping[str, float] = entry("symbols of machine.yaml, each with where the search begins, in SI")
    groups: tuple[str, ...] = entry("groups of records that fix them", NAMES)


@frozen(kw_only=True)
class PagesFile:
    """The pages that dsocr calibrate --documents measures."""

    summary: str = entry("what the file is", default="")
    pictures: Mapping[str, PicturesEntry] = entry("pictures by group")
    pdfs: PdfsEntry = entry("PDF pages")
    resizes: ResizesEntry = entry("resizes")
    copies: tuple[int, ...] = entry("sides of squares that are cut out, in pixels")
    tensors: tuple[int, ...] = entry("sides of views that become tensors")
    fits: tuple[PagesFit, ...] = entry("what they fix, one after the other")

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups."""
        return (*self.pictures, "text", "scans", "resizes", "copies", "tensors")

    def __attrs_post_init__(self) -> None:
        """Refuse a fit of what nobody measures."""
        for place, fit in enumerate(self.fits, start=1):
            check_known(fit.constants, load_machine(), f"fits: {place}: constants", "symbol")
            check_known(fit.groups, self.groups, f"fits: {place}: groups", "group")


@cache
def calibration_file(cls: type[T], name: str) -> T:
    """Read one of the files: ``grid``, ``components`` or ``served``."""
    path = data_files("formulas/calibration")[name]
    return structure(cls, read_yaml(path), str(path))


def load_pages() -> PagesFile:
    """Read the file."""
    pages: PagesFile = calibration_file(PagesFile, "pages")
    return pages
