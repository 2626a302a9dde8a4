"""UserUnit of PDF pages, which pdfium knows nothing of: read off a copy that pdfium writes, all objects in plain."""

import ctypes
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OBJECT = re.compile(rb"(\d+) \d+ obj\s(.*?)endobj", re.DOTALL)
_TOKEN = re.compile(
    rb"<<|>>|\[|\]|\d+ \d+ R\b|/[^\s/<>\[\]()]*|\((?:\\.|[^\\()])*\)|<[^<>]*>|[^\s/<>\[\]()]+", re.DOTALL
)
_BEGIN, _END = b"stream\r\n", b"endstream"


def user_units(document: Any, path: str, count: int) -> list[float]:
    """Return the UserUnit of each of the ``count`` pages of a file open in pdfium: 1 where a page has none.

    Raises ValueError where some object has one and the pages cannot be told from one another.
    """
    alike = [1.0] * count
    with Path(path).open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # Object streams are compressed: what they hold is seen in the copy only.
        if content.find(b"/UserUnit") < 0 and content.find(b"/ObjStm") < 0:
            return alike
    text = _copied(document)
    if b"/UserUnit" not in text:
        return alike
    bodies = {int(number): body for number, body in _OBJECT.findall(text)}
    try:
        trailer = _object(bodies, text[text.rindex(b"trailer") + len(b"trailer") :])
        units = list(_units(bodies, _object(bodies, _object(bodies, trailer[b"/Root"])[b"/Pages"])))
    except (KeyError, TypeError, ValueError, StopIteration, RecursionError):
        units = []
    if len(units) != count:
        raise ValueError("a UserUnit is in the file, and of which page cannot be told; write the file anew")
    return units


def _units(bodies: dict[int, bytes], node: Any) -> Iterator[float]:
    if b"/Kids" not in node:
        yield float(_object(bodies, node.get(b"/UserUnit", b"1")))
        return
    for kid in _object(bodies, node[b"/Kids"]):
        yield from _units(bodies, _object(bodies, kid))


def _object(bodies: dict[int, bytes], value: Any) -> Any:
    """Follow references, and read what an object's text says."""
    while isinstance(value, bytes) and value.endswith(b" R"):
        value = bodies[int(value.split()[0])]
    return _value(iter(_TOKEN.findall(value))) if isinstance(value, bytes) else value


def _value(tokens: Iterator[bytes]) -> Any:
    token = next(tokens)
    if token == b"<<":
        return {key: _value(tokens) for key in iter(lambda: next(tokens), b">>")}
    if token == b"[":
        values = []
        while (value := _value(tokens)) != b"]":
            values.append(value)
        return values
    return token


def _copied(document: Any) -> bytes:
    """Let pdfium write the file anew, and keep what is no stream's content."""
    from pypdfium2 import raw

    kept, rest, inside = bytearray(), b"", False

    def write(_: Any, data: Any, size: int) -> int:
        nonlocal rest, inside
        rest += ctypes.string_at(data, size)
        while (place := rest.find(_END if inside else _BEGIN)) >= 0:
            kept.extend(b"" if inside else rest[:place])
            rest, inside = rest[place + len(_END if inside else _BEGIN) :], not inside
        if not inside:
            kept.extend(rest[: -len(_BEGIN)])
        rest = rest[-len(_END if inside else _BEGIN) :]
        return 1

    writer = raw.FPDF_FILEWRITE(version=1)
    writer.WriteBlock = type(writer.WriteBlock)(write)
    if not raw.FPDF_SaveAsCopy(document, writer, raw.FPDF_REMOVE_SECURITY):
        raise ValueError("pdfium cannot write a copy of it, which shows whether its pages have a UserUnit")
    return bytes(kept + rest)
