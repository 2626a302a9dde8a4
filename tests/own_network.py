"""A small language model of own layers and an own operator, as a user writes one, for tests to change and ask."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsocr_symbolic.language import library
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.paths import is_ours

Raw = dict[str, Any]

_ROWS = {"rows": ["T", "rows"], "width": ["D", "width"]}
_IN_AND_OUT = {
    "x": {"role": "input", "shape": ["rows", "width"]},
    "y": {"role": "output", "shape": ["rows", "width"]},
}
_PRODUCT = {"tokens": "rows", "in_features": "width", "out_features": "width"}
FILES: dict[str, Raw] = {
    "formulas/operators/my_square.yaml": {
        "summary": "squares each element",
        "aten": "my.square",
        "category": "elementwise",
        "symbols": {"elements": ["n", "elements"]},
        "tensors": {
            "x": {"role": "input", "shape": ["elements"]},
            "y": {"role": "output", "shape": ["elements"]},
        },
        "cuda_core_flops": "elements",
        "backward": [],
        "example": {"with": {"elements": 6}, "gives": {"forward_cuda_core_flops": 6, "forward_io_bytes": 24}},
    },
    "formulas/layers/mine/my_gate.yaml": {
        "summary": "squares what silu gives",
        "symbols": _ROWS,
        "let": {"elements": "rows*width"},
        "tensors": _IN_AND_OUT,
        "children": {
            "silu": {"use": "silu", "reads": "x", "writes": "h", "with": {"elements": None}},
            "square": {"use": "my_square", "reads": "h", "writes": "y", "with": {"elements": None}},
        },
        "example": {"with": {"rows": 2, "width": 3}, "gives": {"operator_launches": 2}},
    },
    "formulas/layers/mine/my_block.yaml": {
        "summary": "two products with something between them",
        "symbols": _ROWS,
        "slots": {"between": {"use": "my_gate", "with": {"rows": 1, "width": 1}}},
        "tensors": _IN_AND_OUT,
        "children": {
            "up": {"use": "linear_no_bias", "reads": "x", "writes": "h", "with": _PRODUCT},
            "between": {"use": "$between", "inline": True, "reads": "h", "writes": "g"},
            "down": {"use": "linear_no_bias", "reads": "g", "writes": "y", "with": _PRODUCT},
        },
        "example": {"with": {"rows": 2, "width": 3}, "gives": {"parameters": 18}},
    },
    "formulas/layers/mine/my_lm.yaml": {
        "summary": "a language model",
        "symbols": {**_ROWS, "vocabulary": ["V", "words"], "depth": ["L", "blocks"]},
        "tensors": {
            "ids": {"role": "input", "shape": ["rows"], "dtype": "int64"},
            "logits": {"role": "output", "shape": ["rows", "vocabulary"]},
        },
        "children": {
            "embed": {
                "use": "embedding",
                "reads": "ids",
                "writes": "x",
                "with": {"tokens": "rows", "rows_stored": "vocabulary", "width": None},
            },
            "blocks": {
                "use": "my_block",
                "reads": "x",
                "writes": "z",
                "repeat": {"copies": "depth"},
                "slots": {"between": {"use": "my_gate", "with": {"rows": None, "width": None}}},
                "with": {"rows": None, "width": None},
            },
            "head": {
                "use": "linear_no_bias",
                "reads": "z",
                "writes": "logits",
                "with": {"tokens": "rows", "in_features": "width", "out_features": "vocabulary"},
            },
        },
        "example": {"with": {"rows": 2, "width": 3, "vocabulary": 5, "depth": 2}, "gives": {"parameters": 66}},
    },
    "formulas/models/mine.yaml": {
        "summary": "a language model of own layers",
        "constants": {
            "width": {"value": 8, "letter": "D", "meaning": "width"},
            "vocabulary": {"value": 100, "letter": "V", "meaning": "words"},
            "depth": {"value": 3, "letter": "L", "meaning": "blocks"},
        },
        "workload": {
            "prompt": {"value": 4, "letter": "S", "meaning": "prompt"},
            "steps": {"value": 2, "letter": "N", "meaning": "steps"},
        },
        "workloads": {"plain": {"summary": "as it is"}},
        "children": {
            "prefill": {"use": "my_lm", "with": {"rows": "prompt", "width": None, "vocabulary": None, "depth": None}},
            "decode": {
                "use": "my_lm",
                "repeat": {"over": "step", "last": "steps"},
                "with": {"rows": 1, "width": None, "vocabulary": None, "depth": None},
            },
        },
    },
}
PARAMETERS = 100 * 8 + 3 * 2 * 8 * 8 + 8 * 100
LM, BLOCK, GATE = (f"formulas/layers/mine/my_{name}.yaml" for name in ("lm", "block", "gate"))
SQUARE, MODEL = "formulas/operators/my_square.yaml", "formulas/models/mine.yaml"
Change = Callable[[dict[str, Raw]], None]


def put(file: str, place: str, value: Any) -> Change:
    """Return the change that puts a value at a dotted place of a file; `...` removes what stands there."""

    def change(files: dict[str, Raw]) -> None:
        *above, last = place.split(".")
        inner = files[file]
        for key in above:
            inner = inner.setdefault(key, {})
        if value is ...:
            del inner[last]
        else:
            inner[last] = value

    return change


def write(folder: Path, *changes: Change) -> Path:
    """Write the network's files with some changes; return the folder."""
    files = copy.deepcopy(FILES)
    for change in changes:
        change(files)
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return folder


_OURS: dict[tuple[str, Path], Any] = {}


def _remembered(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Read our own files once, a user's each time."""

    def reading(path: Path) -> Any:
        if not is_ours(path):
            return read(path)
        if (read.__name__, path) not in _OURS:
            _OURS[read.__name__, path] = read(path)
        return _OURS[read.__name__, path]

    reading.__name__ = read.__name__
    return reading


@contextmanager
def on_path(folder: Path) -> Iterator[Path]:
    """Let a folder be DSOCR_PATH meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSOCR_PATH", str(folder))
        for name in ("read_operators", "read_layer"):
            patch.setattr(library, name, _remembered(getattr(library, name)))
        load_library.cache_clear()
        yield folder
    load_library.cache_clear()
