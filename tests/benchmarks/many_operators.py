"""Write a network of a great many operators, each a row of its own: python tests/benchmarks/many_operators.py FOLDER.

Then DSOCR_PATH=FOLDER dsocr totals --model many asks it.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

OPERATORS = 20_000
_ROW = 100
_SYMBOLS = {"rows": ["T", "rows"], "width": ["D", "width"]}
_TENSORS = {
    "x": {"role": "input", "shape": ["rows", "width"]},
    "y": {"role": "output", "shape": ["rows", "width"]},
}
_GIVEN = {"rows": None, "width": None}
_PRODUCT = {"tokens": "rows", "in_features": "width", "out_features": "width"}


def _chain(use: str, count: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return calls one after the other, each of what the one before it wrote."""
    names = ["x", *(f"h{place}" for place in range(1, count)), "y"]
    return {
        f"{use}_{place}": {"use": use, "reads": names[place], "writes": names[place + 1], "with": given}
        for place in range(count)
    }


def write(folder: Path, operators: int = OPERATORS) -> None:
    """Write its files below a folder."""
    example = {"with": {"rows": 2, "width": 3}}
    common: dict[str, Any] = {"symbols": _SYMBOLS, "tensors": _TENSORS}
    rows = operators // _ROW
    files: dict[str, dict[str, Any]] = {
        "formulas/layers/many/many_row.yaml": {
            "summary": f"{_ROW} products",
            **common,
            "children": _chain("linear_no_bias", _ROW, _PRODUCT),
            "example": {**example, "gives": {"parameters": _ROW * 9}},
        },
        "formulas/layers/many/many_rows.yaml": {
            "summary": f"{rows} rows of products",
            **common,
            "children": _chain("many_row", rows, _GIVEN),
            "example": {**example, "gives": {"parameters": rows * _ROW * 9}},
        },
        "formulas/models/many.yaml": {
            "summary": f"a network of {operators:,} operators",
            "constants": {"width": {"value": 1024, "letter": "D", "meaning": "width"}},
            "workload": {"prompt": {"value": 512, "letter": "S", "meaning": "prompt"}},
            "workloads": {"plain": {"summary": "as it is"}},
            "identity": {
                "model_id": "many",
                "model_variant": "many",
                "model": {
                    "hidden_size": "width",
                    "intermediate_size": "width",
                    "num_layers": rows,
                    "num_attention_heads": 1,
                },
                "workload": {"seq_len": "prompt", "max_new_tokens": 0},
            },
            "children": {"forward": {"use": "many_rows", "with": {"rows": "prompt", "width": None}}},
        },
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
