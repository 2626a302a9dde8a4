"""Turn generated source into a function; the one place of the package that executes text."""

import gc
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from dsocr_symbolic.algebras import arithmetic

Run = Callable[[Mapping[str, Any]], tuple[tuple[Any, ...], ...]]
PRIMITIVES = ("divide", "ceiling", "floor", "maximum", "minimum", "positive", "nonzero", "power", "sum_maxima")
# What generated source may hold: no attributes, no quotes but around the names it unpacks, no other names.
_TOKENS = re.compile(
    r"def run\(v\):|return|v\['\w+'\]|s_\w+|[td]\d+|\d+\.\d+(?:e[+-]\d+)?|\d+(?:e[+-]\d+)?|[()*+,=%\- \n]|"
    + "|".join(PRIMITIVES)
)


@lru_cache(maxsize=256)
def compile_function(source: str, algebra: ModuleType = arithmetic) -> Run:
    """Compile generated source once; ValueError if it holds anything but arithmetic, as a cache is not trusted."""
    if _TOKENS.sub("", source):
        raise ValueError("not a generated program")
    scope: dict[str, Any] = {"__builtins__": {}, **{name: getattr(algebra, name) for name in PRIMITIVES}}
    # Compiling makes a great many small objects and no cycles: collecting meanwhile takes a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        exec(compile(source, "<generated>", "exec"), scope)  # noqa: S102 - every token was checked above
    finally:
        if collecting:
            gc.enable()
    run: Run = scope["run"]
    return run
