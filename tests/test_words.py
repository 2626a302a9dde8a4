"""The network's words stay in its model file: Python outside of the proofs asks roles."""

import ast
import re
from pathlib import Path

import pytest

from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_conventions, load_machine
from dsocr_symbolic.paths import PACKAGE

FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if "verification" not in path.parts]
# Every network has these; the model file's own symbols are what is left.
COMMON = {*load_conventions().symbols, *load_machine()}
WORDS = {name for name in find_definition("deepseek-ocr").quantities if name not in COMMON}
WORD = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, WORDS))})(?![\w-])")
# What may stand all the same: example commands in help and errors.
EXAMPLES = re.compile(r"batch=1(?:,2,4|:128(?::8)?)")
# And fields of the published contracts, which are called as the network calls its sizes.
CONTRACT_FIELDS = {"reports/contracts/messages.py", "reports/contracts/model_report.py"}
# And what runs on a GPU: settings of formulas/calibration/components.yaml, arguments of transformers' own classes.
RUNS = {f"measurement/{name}.py" for name in ("components", "host", "measure", "comparison/operators", "served/parts")}
# And the names that formulas/server.yaml and formulas/service.yaml, and the files of engines, have themselves.
SERVERS = {
    *("language/files/service_file.py", "questions/capacity.py", "questions/totals/memory_text.py"),
    *(
        f"questions/plan/{name}.py"
        for name in ("choosing", "document", "elasticities", "planning", "spending", "workloads")
    ),
    *(f"measurement/comparison/{name}.py" for name in ("engine", "engine_pairs")),
}
# And a word of Pillow.
PICTURES = {"scenario/page_contents.py"}


def docstrings(tree: ast.Module) -> set[int]:
    """Return what stands as the first statement of a module, class or function."""
    owners = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    first = (owner.body[0] for owner in owners if owner.body)
    return {id(statement.value) for statement in first if isinstance(statement, ast.Expr)}


def words(source: str) -> list[tuple[int, str]]:
    """Return the lines on which string constants hold symbols of the model file."""
    tree = ast.parse(source)
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    said = docstrings(tree)
    return [
        (text.lineno, word)
        for text in texts
        if id(text) not in said
        for word in WORD.findall(EXAMPLES.sub("", str(text.value)))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_string_holds_a_symbol_of_the_model_file(path: Path) -> None:
    if path.relative_to(PACKAGE).as_posix() in CONTRACT_FIELDS | RUNS | SERVERS | PICTURES:
        return
    assert words(path.read_text(encoding="utf-8")) == []


def test_words_are_seen_wherever_they_stand() -> None:
    assert {"batch", "prompt_tokens", "crop_rows", "hidden_size"} <= WORDS
    assert words('"""The batch."""\nx = f"largest batch {y}"\n') == [(2, "batch")]
    assert sorted(words('x = {"prompt_tokens": 1}["crops"]\n')) == [(1, "crops"), (1, "prompt_tokens")]
    assert words("x = 'micro-batch', 'batches', '--vary batch=1:128'\n") == []
    assert words('def f():\n    """Of crops."""\n    return "crops"\n') == [(3, "crops")]
