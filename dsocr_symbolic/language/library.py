"""All formula files together: found by name, read when they are asked for, checked against one another."""

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path

from attrs import field, frozen

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.formula import Formula, Library, read_layer, read_operators
from dsocr_symbolic.language.formula_checks import check_cycles, check_formula, uses
from dsocr_symbolic.language.read_objects import read_as
from dsocr_symbolic.paths import data_files, is_ours, name_taken

_WORD = re.compile(r"\w+")


@cache
def load_library() -> Library:
    """Return every operator and layer: a user's beside ours all read and checked now, ours alone as they are needed."""
    shelf = _Shelf(layers=data_files("formulas/layers"), operators=data_files("formulas/operators"))
    if not all(map(is_ours, (*shelf.layers.values(), *shelf.operators.values()))):
        shelf.read_all()
    return Library(formulas=shelf)


@frozen(kw_only=True, eq=False)
class _Shelf(Mapping[str, Formula]):
    """Formulas by name; a file is read, with those that it calls, and checked, when it is first asked for.

    Attributes
    ----------
    layers, operators : mapping of str to Path
        The files by their names; of operators that share one that is another one.
    """

    layers: Mapping[str, Path]
    operators: Mapping[str, Path]
    m_files: dict[Path, list[Formula]] = field(init=False, factory=dict)
    m_checked: dict[str, Formula] = field(init=False, factory=dict)
    m_operators: dict[str, Path | None] = field(init=False, factory=dict)

    def __getitem__(self, name: str) -> Formula:
        if name not in self.m_checked:
            found: dict[str, Formula] = {}
            waiting = [name]
            while waiting:
                path = self._file(used := waiting.pop())
                if path is not None and used not in found and used not in self.m_checked:
                    found |= {formula.name: formula for formula in self._read(path) if formula.name == used}
                    waiting += uses(found[used])
            self._check(found)
        return self.m_checked[name]

    def __contains__(self, name: object) -> bool:
        return name in self.m_checked or self._file(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        self.read_all()
        return iter(self.m_checked)

    def __len__(self) -> int:
        self.read_all()
        return len(self.m_checked)

    def read_all(self) -> None:
        """Read and check all files, operators first: of two of one name none may silently win."""
        formulas: dict[str, Formula] = {}
        for path in (*self.operators.values(), *self.layers.values()):
            for formula in self._read(path):
                if formula.name in formulas:
                    raise name_taken(formula.name, formulas[formula.name].file, formula.file)
                formulas[formula.name] = formula
        if formulas.keys() != self.m_checked.keys():
            self._check({name: formula for name, formula in formulas.items() if name not in self.m_checked})
            self.m_checked.clear()
            self.m_checked.update(formulas)

    def _check(self, found: Mapping[str, Formula]) -> None:
        library = Library(formulas={**self.m_checked, **found})
        for formula in found.values():
            check_formula(library, formula)
        check_cycles(library)
        self.m_checked.update(found)

    def _read(self, path: Path) -> list[Formula]:
        if path not in self.m_files:
            is_layer = self.layers.get(path.stem) == path

            def read() -> list[Formula]:
                return [read_layer(path)] if is_layer else [*read_operators(path)]

            self.m_files[path] = read_as("layer" if is_layer else "operators", [path], read, apart=True)
        return self.m_files[path]

    def _file(self, name: str) -> Path | None:
        """Find the file of a name; the words of an operators' file say whether it is worth reading."""
        if name in self.layers:
            return self.layers[name]
        if name not in self.m_operators:
            own = [self.operators[name]] if name in self.operators else []
            others = (path for path, words in self._words.items() if name in words)
            there = (path for path in (*own, *others) if any(each.name == name for each in self._read(path)))
            self.m_operators[name] = next(there, None)
        return self.m_operators[name]

    @cached_property
    def _words(self) -> Mapping[Path, frozenset[str]]:
        """What may be a name in each file of operators."""
        paths = self.operators.values()
        return {path: frozenset(_WORD.findall(path.read_text(encoding="utf-8"))) for path in paths}


def find_formula(name: str) -> Formula:
    """Find a formula by its name, with or without its folders."""
    folders, _, stem = name.rpartition("/")
    path = data_files("formulas/layers").get(stem)
    formula = load_library().formulas.get(stem) if path is None else read_layer(path)
    parts = Path(formula.file).parent.parts if formula is not None else ()
    wanted = tuple(folder for folder in folders.split("/") if folder)
    if formula is None or parts[len(parts) - len(wanted) :] != wanted:
        known = [f"{Path(other.file).parent.name}/{other.name}" for other in load_library().formulas.values()]
        raise UserError(f"unknown layer '{name}': {nearest(name, known)}")
    return formula
