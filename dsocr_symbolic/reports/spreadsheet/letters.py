"""Letters of symbols as people write them: LaTeX to text with what is above and below the line."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

Script = Literal["", "below", "above"]
_TOKENS = re.compile(r"\\([A-Za-z]+)|([_^{}])|([^\\_^{}]+)")
_SIGNS = {
    "vartheta": "GREEK THETA SYMBOL",
    "div": "DIVISION SIGN",
    "sqrt": "SQUARE ROOT",
    "times": "MULTIPLICATION SIGN",
}


def letter_parts(latex: str) -> list[tuple[str, Script]]:
    """Split a letter into texts on, below and above the line: ``b_{kv}`` is b and, below, kv."""
    parts: list[tuple[str, Script]] = []
    for text, script in _pieces(latex):
        if parts and parts[-1][1] == script:
            parts[-1] = (parts[-1][0] + text, script)
        else:
            parts.append((text, script))
    return parts


def _pieces(latex: str) -> Iterator[tuple[str, Script]]:
    """Yield texts; a script holds for the next letter, or for what braces hold."""
    script: Script = ""
    around: list[Script] = []
    for command, mark, text in _TOKENS.findall(latex):
        match mark:
            case "_" | "^":
                script = "below" if mark == "_" else "above"
                continue
            case "{":
                around.append(script)
                continue
            case "}":
                around = around[:-1]
                script = around[-1] if around else ""
                continue
        said = _sign(command) if command else text
        if around:
            yield said, script
        else:
            # Without braces a script is one letter long.
            yield (said if command else said[0]), script
            if not command and said[1:]:
                yield said[1:], ""
            script = ""


def _sign(command: str) -> str:
    """Return the sign that a command stands for; the command itself, such as min, where it is a word."""
    try:
        return unicodedata.lookup(_SIGNS.get(command, f"GREEK SMALL LETTER {command}"))
    except KeyError:
        return command
