"""The guides: prose with outputs that are real, for every command in them runs when they are written."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dsocr_symbolic.writing.templates import template

# Name of a guide, of its template below templates/guide too -> its title, in the order of reading.
GUIDES = {
    "totals-and-documents": "Totals and documents",
    "what-the-numbers-mean": "What the numbers mean",
    "seconds": "Seconds",
    "sweep": "Sweep",
    "solve-sensitivity-bounds-compare": "Solve, sensitivity, bounds, compare",
    "spreadsheet": "Spreadsheet",
    "python": "Python and notebooks",
    "proof": "Proof",
}
# Tables are as wide as on a terminal of this many columns, whoever writes the guides.
_COLUMNS = "100"


def guide_page(name: str, run: Callable[[Sequence[str]], str]) -> str:
    """Render a guide; `run` returns what a command prints."""
    return page_of(f"guide/{name}.md.jinja", run, name=name, guides=GUIDES)


def page_of(source: str, run: Callable[[Sequence[str]], str], **said: object) -> str:
    """Render a template in which ``dsocr(command)`` is the command and what it prints."""

    def dsocr(command: str) -> str:
        return f"```console\n$ dsocr {command}\n{run(shlex.split(command)).rstrip()}\n```"

    with _columns(), _desk():
        return str(template(source).render(dsocr=dsocr, **said))


@contextmanager
def _columns() -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _COLUMNS
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


@contextmanager
def _desk() -> Iterator[None]:
    """Work in a folder of its own that holds two pages of a scan and a photo, in points and pixels."""
    from PIL import Image

    with TemporaryDirectory() as folder, chdir(folder):
        Path("photos").mkdir()
        scan = [Image.new("RGB", size) for size in ((900, 700), (595, 842))]
        scan[0].save("scan.pdf", save_all=True, append_images=scan[1:])
        Image.new("RGB", (1280, 720)).save("photos/board.png")
        yield
