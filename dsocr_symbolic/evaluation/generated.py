"""Turn generated source into a function; the one place of the package that executes text."""

import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any

from dsocr_symbolic.algebras import arithmetic

Run = Callable[[Mapping[str, Any]], tuple[tuple[Any, ...], ...]]
PRIMITIVES = ("divide", "ceiling", "floor", "maximum", "minimum", "positive", "nonzero", "power", "sum_maxima")
# What generated source may hold: no attributes, no quotes but around the names it unpacks, no other names.
_TOKENS = re.compile(
    r"def run\(v\):|return|v\['\w+'\]|s_\w+|[tdc]\d+|\d+\.\d+(?:e[+-]\d+)?|\d+(?:e[+-]\d+)?|[()*+,=%\- \n]|"
    + "|".join(PRIMITIVES)
)

_PARTS = re.compile(r"\b(?:s_\w+|[td]\d+)\b")


@lru_cache(maxsize=256)
def compile_function(source: str, algebra: ModuleType = arithmetic) -> Run:
    """Compile generated source once; ValueError if it holds anything but arithmetic, as a cache is not trusted."""
    return function_of(compile_source(source), algebra)


def compile_source(source: str) -> CodeType:
    """Compile generated source; ValueError if it holds anything but arithmetic."""
    if _TOKENS.sub("", source):
        raise ValueError("not a generated program")
    with uncollected():
        return compile(source, "<generated>", "exec")


def part_source(source: str, places: Sequence[int]) -> str:
    """Return of generated source what some of its rows alone need, which become all that it returns."""
    first, *lines, _, _ = source.split("\n")
    needed, kept = {f"c{place}" for place in places}, []
    for line in reversed(lines):
        name, _, text = line.strip().partition(" = ")
        if name in needed:
            needed.update(_PARTS.findall(text))
            kept.append(line)
    returned = "".join(f"c{place}, " for place in places)
    return "\n".join([first, *reversed(kept), f"    return ({returned})", ""])


def function_of(code: CodeType, algebra: ModuleType = arithmetic) -> Run:
    """Return the function of compiled source, of which every token was checked."""
    scope: dict[str, Any] = {"__builtins__": {}, **{name: getattr(algebra, name) for name in PRIMITIVES}}
    exec(code, scope)  # noqa: S102 - compiled above, or by this user before
    run: Run = scope["run"]
    return run


@lru_cache(maxsize=256)
def symbols_of(source: str) -> frozenset[str]:
    """Return the symbols that generated source takes the values of."""
    return frozenset(re.findall(r"v\['(\w+)'\]", source))


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the garbage collector rest: what makes a great many objects and no cycles is a fifth faster without it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
