"""The house: which room may use which, for every file of the package, and no way back."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from dsocr_symbolic.evaluation.program import _ENGINE

PACKAGE = Path(__file__).parent.parent / "dsocr_symbolic"
# Floors from the ground up. A room uses those below it, itself, and no other room of its floor.
FLOORS = (
    ("version", "errors", "records"),
    ("paths",),
    ("algebras",),
    ("language",),
    ("writing", "scenario", "network"),
    ("evaluation",),
    ("python_api",),
    ("questions", "verification"),
    ("reports",),
    ("measurement", "explorer"),
    ("serving",),
    ("cli",),
    ("regenerate",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# One question stands on another: regime boundaries are found as solutions of constraints are, a budget is made of
# constraints, and says what grew as a comparison does.
LEANING = {("bounds", "solve"), ("budget", "solve"), ("budget", "compare")}
# Library -> where it may be imported at all, and where at the top of a module, which costs every start.
ANYWHERE = {
    "torch": ("verification", "measurement", "algebras/torch_arrays.py"),
    "transformers": ("verification", "measurement"),
    "scipy": ("measurement",),
    "torchinfo": ("verification/torchinfo",),
    "cattrs": ("reports/contracts",),
}
AT_THE_TOP = {
    "torch": ("verification", "measurement", "algebras/torch_arrays.py"),
    "transformers": ("verification/oracles",),
    "scipy": (),
    "cattrs": ("reports/contracts",),
    "sympy": (
        "algebras",
        "network",
        "evaluation",
        "writing",
        "questions",
        "reports",
        "measurement",
        "explorer",
        "scenario/overrides.py",
    ),
    "numpy": (
        "algebras",
        "evaluation/native.py",
        "questions/sweep",
        "questions/plan",
        "verification/checkpoint",
        "measurement",
    ),
}
# A warm ``dsocr totals`` imports these; sympy would double its start.
WITHOUT_SYMPY = (
    *("evaluation/program.py", "evaluation/estimate.py", "evaluation/answer.py", "network/fold.py"),
    *("questions/capacity.py", "questions/options.py", "questions/totals/command.py", "questions/totals/text.py"),
)
# Generated source is compiled in one place; the other runs a checkpoint's own code where the user says so.
EXECUTING = {"evaluation/generated.py", "verification/checkpoint/code.py"}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
TREES = {name: ast.parse((PACKAGE / name).read_text(encoding="utf-8")) for name in FILES}
MOST_FILES, MOST_LINES, MOST_DOORS = 22, 300, 9


def _module(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _imports(name: str) -> Iterator[str]:
    """Yield the files of the package that a file imports, in functions and for type checking too."""
    for node in ast.walk(TREES[name]):
        assert not (isinstance(node, ast.Import) and any("dsocr_symbolic" in each.name for each in node.names)), name
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dsocr_symbolic":
            below = (node.module or "").partition(".")[2].replace(".", "/")
            for each in node.names:
                inside = f"{below}/{each.name}.py".lstrip("/")
                yield inside if inside in FILES else f"{below}.py" if f"{below}.py" in FILES else f"{below}/__init__.py"


def _room(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def _is_door(name: str) -> bool:
    """``__main__`` files are doors: whatever they open, nothing imports them."""
    return name.endswith("__main__.py") or name == "__init__.py"


@pytest.mark.parametrize("name", FILES)
def test_imports_run_downwards(name: str) -> None:
    for used in _imports(name):
        assert not used.endswith("__main__.py"), f"{name} imports a door: {used}"
        if _is_door(name):
            continue
        here, there = _room(name), _room(used)
        assert here == there or FLOOR[there] < FLOOR[here], f"{name} imports {used}"
        if here == there == "questions":
            mine, theirs = name.split("/")[1], used.split("/")[1]
            assert mine == theirs or theirs.endswith(".py") or (mine, theirs) in LEANING, f"{name} imports {used}"
            assert not mine.endswith(".py") or theirs.endswith(".py"), (
                f"{name}, for all, imports {used} of one question"
            )
        assert Path(used).name != "command.py" or here == "cli", f"{name} imports {used}, which is the command line's"


def test_there_is_no_circle() -> None:
    graph = {name: {used for used in _imports(name) if used != name} for name in FILES if not _is_door(name)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_the_program_cache_hashes_all_that_programs_are_built_by() -> None:
    reached, waiting = set(), ["evaluation/program_builder.py", "evaluation/program.py"]
    while waiting:
        reached.add(name := waiting.pop())
        waiting += [used for used in _imports(name) if used not in reached]
    outside = {name for name in reached if _room(name) not in _ENGINE and not name.endswith("__init__.py")}
    assert outside == {"paths.py", "errors.py", "records.py", "version.py", "writing/files.py"}


def test_the_reference_imports_nothing_of_ours_but_itself() -> None:
    for name in FILES:
        if name.startswith("verification/reference/"):
            assert all(used.startswith("verification/reference/") for used in _imports(name)), name


def _libraries(name: str, *, top: bool) -> set[str]:
    nodes = TREES[name].body if top else list(ast.walk(TREES[name]))
    found = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    found |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {each.partition(".")[0] for each in found}


@pytest.mark.parametrize("name", FILES)
def test_heavy_libraries_stand_where_they_may(name: str) -> None:
    for library, allowed in ANYWHERE.items():
        assert library not in _libraries(name, top=False) or name.startswith(allowed), f"{name} imports {library}"
    for library, allowed in AT_THE_TOP.items():
        at_top = library in _libraries(name, top=True)
        assert not at_top or name.startswith(allowed), f"{name}: {library} at the top"
        assert not at_top or not name.endswith("command.py"), (
            f"{name}: {library} at the top of what every start imports"
        )
    assert not {"matplotlib", "rich", "xarray", "pandas"} & _libraries(name, top=True), f"{name}: at the top"
    assert name not in WITHOUT_SYMPY or "sympy" not in _libraries(name, top=True), f"{name}: sympy at the top"


def test_code_is_executed_in_one_place() -> None:
    found = set()
    for name in FILES:
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("exec", "eval"):
                found.add(name)
    assert found == EXECUTING


@pytest.mark.parametrize("folder", sorted({Path(name).parent.as_posix() for name in FILES}))
def test_folders_are_small_and_say_in_one_sentence_what_they_are(folder: str) -> None:
    inside = [name for name in FILES if Path(name).parent.as_posix() == folder]
    assert len([name for name in inside if not name.endswith("__init__.py")]) <= MOST_FILES
    if folder == ".":
        assert len(inside) <= MOST_DOORS
        return
    (sentence,) = TREES[f"{folder}/__init__.py"].body
    assert isinstance(sentence, ast.Expr), f"{folder}/__init__.py holds more than its sentence"


@pytest.mark.parametrize("name", FILES)
def test_modules_are_short(name: str) -> None:
    assert len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_a_class_name_has_one_meaning() -> None:
    names = Counter(node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []
