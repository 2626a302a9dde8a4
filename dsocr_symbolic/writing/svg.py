"""Figures in one style, and as SVG text that is the same on every run."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.paths import data_folders

_TAG = re.compile(r"<[^>]+>")
_LONG_FRACTION = re.compile(r"-?\d+\.\d{3,}")
_HASHED_ID = re.compile(r'id="([A-Za-z]?[0-9a-f]{10,})"')


def silence_matplotlib() -> None:
    """Let it not tell that its caches cannot be written: it draws all the same."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


@contextmanager
def style() -> Iterator[None]:
    """Draw as templates/dsocr.mplstyle says, whatever the user's own settings are."""
    silence_matplotlib()
    try:
        from matplotlib import style as styles
    except ImportError as error:
        raise UserError("figures need matplotlib; pip install 'dsocr_symbolic[report]'") from error
    with styles.context(data_folders("templates")[-1] / "dsocr.mplstyle", after_reset=True):
        yield


def svg(figure: Any, title: str, **how: Any) -> str:
    """Write a figure as SVG: text as text, no date, coordinates to a hundredth of a point, ids in order."""
    buffer = io.StringIO()
    kept = {"Title": title, "Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=kept, **how)
    text = _TAG.sub(lambda tag: _LONG_FRACTION.sub(_rounded, tag[0]), buffer.getvalue())
    names = {name: f"shape{place}" for place, name in enumerate(dict.fromkeys(_HASHED_ID.findall(text)))}
    if names:
        text = re.sub("|".join(names), lambda name: names[name[0]], text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _rounded(number: re.Match[str]) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
