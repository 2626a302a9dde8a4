"""The explorer as one file: no network, no build, every formula inside."""

import base64
import gzip
import json
from typing import Any

from dsocr_symbolic.explorer.formulas import with_proofs
from dsocr_symbolic.explorer.page_data import page_data
from dsocr_symbolic.explorer.programs import written
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.paths import data_folders

SCRIPTS = (
    *("numbers", "network", "service", "words", "drawing", "files", "charts", "state"),
    *("form", "tables", "node", "pages", "plan", "main"),
)


def explorer_page(definition: Definition) -> str:
    """Write the page of a network."""
    from html import escape

    from dsocr_symbolic.writing.templates import template

    folder = data_folders("templates")[-1] / "explorer"
    made = written(definition)
    data = page_data(definition)
    text: str = template("explorer/page.html.jinja").render(
        version=escape(data["version"]),
        model=escape(definition.name),
        summary=escape(definition.summary),
        source=escape(definition.source),
        statements=[escape(line) for line in data["statements"]],
        css=(folder / "page.css").read_text(encoding="utf-8"),
        script="\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS),
        data=packed(data),
        programs=packed(made["programs"]),
        formulas=packed(with_proofs(made["formulas"])),
    )
    return text


def packed(content: Any) -> str:
    """Pack JSON into text that a browser unpacks; equal contents are equal texts."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")
