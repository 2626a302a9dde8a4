"""Symbols of formulas: the letter in print, and what it means."""

from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.schema import Reader, entry
from dsocr_symbolic.records import frozen


@frozen(kw_only=True)
class Symbol:
    """A symbol of a formula."""

    letter: str = entry("letter in print, LaTeX")
    meaning: str = entry("what it means")


def _symbol(raw: Any, where: str) -> Symbol:
    match raw:
        case [str(letter), str(meaning)]:
            return Symbol(letter=letter, meaning=meaning)
        case [str(), *meaning] if meaning and all(isinstance(word, str) for word in meaning):
            raise UserError(f"{where}: a meaning with a comma needs quotes")
    raise UserError(f"{where}: expected [letter, meaning], found {raw!r}")


PAIR = Reader(_symbol, {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2})
