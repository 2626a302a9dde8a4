"""Mutants of YAML files: every expression, guard, count, binding and constant changed, one at a time."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.expression import names, parse
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.rules import BRACES
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files, data_folders
from dsocr_symbolic.verification.calls.cases import uncounted
from dsocr_symbolic.verification.mutants.changes import changed_texts
from dsocr_symbolic.verification.mutants.keys import FILE_KINDS, Spot, root, sites
from dsocr_symbolic.verification.mutants.vocabulary import others

GONE: Any = object()
_FOLDERS = {"operator": "operators", "layer": "layers", "model": "models", "bounds": "bounds", "time": "time"}
# Folders of times of kernels and launches, which measurements judge.
MEASURED = {"device", "host"}
_OURS = "deepseek-ocr"
_ALONE = ("conventions", "machine", "metrics")


@frozen(kw_only=True)
class Mutant:
    """A file with one thing changed.

    Attributes
    ----------
    kind, file : str, Path
        The kind of file, and the file.
    key : str
        Class and key of what is changed: ``Quantity.gpu``.
    change : str
        How: ``literal``, ``symbol``, ``swap``, ``sign``, ``drop``, ``comparison``, ``limit``, ``gone``, ``name``, ...
    place : tuple of str or int
        Where in the file.
    value : Any
        What stands there then; ``GONE`` if nothing does.
    says : str
        The change in words.
    """

    kind: str
    file: Path
    key: str
    change: str
    place: tuple[str | int, ...]
    value: Any
    says: str

    @property
    def name(self) -> str:
        """The file below formulas/, the place in it, and the change."""
        return f"{self.file.stem}: {': '.join(map(str, self.place))}: {self.says}"

    @property
    def content(self) -> Any:
        """The file's content with the change."""
        return _with(content_of(self.file), self.place, self.value)


@cache
def content_of(file: Path) -> Any:
    """Read a file once."""
    return read_yaml(file)


def _with(raw: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """Copy what leads to a place, and put a value there."""
    step, rest = place[0], place[1:]
    new = value if not rest else _with(raw[step], rest, value)
    if isinstance(raw, list) and isinstance(step, int):
        return [*raw[:step], *([] if new is GONE else [new]), *raw[step + 1 :]]
    if new is GONE:
        return {key: kept for key, kept in raw.items() if key != step}
    return {**raw, step: new}


def mutated_files(kind: str) -> list[Path]:
    """List the files of a kind."""
    if kind in _ALONE:
        return [data_folders("formulas")[-1] / f"{kind}.yaml"]
    files = data_files(f"formulas/{_FOLDERS[kind]}").values()
    return [file for file in files if not {*file.parts} & MEASURED and not of_other_networks(kind, file)]


def of_other_networks(kind: str, file: Path) -> bool:
    """Say whether a file is of other networks than ours, or of servers alone, which are counted as wholes."""
    if kind in ("model", "bounds"):
        return file.stem != _OURS
    return file.parent.name in ("llm", "served") or any(name.endswith(f"/{file.stem}") for name in _counted_as_wholes())


# What is said of files that no call of ours stands for, for others count them.
_WHOLES = ("networks", "absorbed", "served decoder", "compiled towers")


@cache
def _counted_as_wholes() -> frozenset[str]:
    """Return the operator files all of whose operators are counted inside whole networks alone."""
    apart = {name for name, why in uncounted().items() if any(word in why for word in _WHOLES)}
    members: dict[str, set[str]] = {}
    for formula in load_library().formulas.values():
        if isinstance(formula, Operator):
            members.setdefault(formula.family, set()).add(f"operators/{formula.name}")
    return frozenset(f"operators/{family}" for family, names in members.items() if names <= apart)


def every_mutant() -> Iterator[Mutant]:
    """Yield the mutants of every file."""
    for kind in FILE_KINDS:
        for file in mutated_files(kind):
            yield from mutants_of(kind, file)


def mutants_of(kind: str, file: Path) -> Iterator[Mutant]:
    """Yield the mutants of one file, each once."""
    raw = content_of(file)
    for site in sites(root(kind), raw):
        seen = [value_at(raw, site.place)]
        for change, says, place, value in _changes(kind, raw, site):
            if place != site.place or not any(value is other or value == other for other in seen):
                seen += [value] if place == site.place else []
                yield Mutant(kind=kind, file=file, key=site.key, change=change, place=place, value=value, says=says)


def value_at(raw: Any, place: tuple[str | int, ...]) -> Any:
    """Return what stands at a place."""
    for step in place:
        raw = raw[step]
    return raw


Change = tuple[str, str, tuple[str | int, ...], Any]


def _changes(kind: str, raw: Any, site: Spot) -> Iterator[Change]:
    """Yield every change of a site: how, in words, where, and what stands there then."""
    old = value_at(raw, site.place)
    if site.optional:
        yield "gone", "removed", site.place, GONE
    match site.way:
        case "formula":
            yield from _formulas(old, site.place, _symbols(kind, raw, site))
        case "flag":
            yield "flag", f"{old} -> {not old}", site.place, not old
        case "number" if isinstance(old, dict):
            for name, number in old.items():
                yield from _numbers(number, (*site.place, name))
                yield "gone", "removed", (*site.place, name), GONE
        case "number" if isinstance(old, str):
            # A symbol may stand where a number does.
            named = site._replace(way="symbol")
            yield from (("name", f"{old} -> {new}", site.place, new) for new in others(named, old, kind, raw))
        case "number":
            yield from _numbers(old, site.place)
        case "option":
            for option in site.options:
                if option != old:
                    yield "option", f"{old} -> {option}", site.place, option
        case "braces":
            for match in BRACES.finditer(old):
                for change, text in changed_texts(parse(match[1], site.key), ()):
                    yield change, f"{match[0]} -> {{{text}}}", site.place, old.replace(match[0], f"{{{text}}}")
        case "data":
            for name, value in old.items():
                other = _other(value)
                yield "literal", f"{value} -> {other}", (*site.place, name), other
                yield "gone", "removed", (*site.place, name), GONE
        case "record":
            return
        case _:
            for value, says in _renamed(old, lambda name: others(site, name, kind, raw)):
                yield "name", says, site.place, value
            if site.key == "Gradient.gives":
                yield from _more_reads(raw, site.place[:-1])


def _more_reads(raw: Any, place: tuple[str | int, ...]) -> Iterator[Change]:
    """Let a launch read one more tensor."""
    reads = value_at(raw, place).get("reads", [])
    listed = [reads] if isinstance(reads, str) else reads
    for name in raw["tensors"]:
        if name not in listed:
            yield "name", f"{name} read as well", (*place, "reads"), [*listed, name]


def _numbers(old: Any, place: tuple[str | int, ...]) -> Iterator[Change]:
    for new in (old + 1, old - 1):
        yield "literal", f"{old} -> {new}", place, new


def _other(value: Any) -> Any:
    """Return another value of a config.json."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}_x"
        case list():
            return [_other(value[0]), *value[1:]]
    return 1


def _symbols(kind: str, raw: Any, site: Spot) -> tuple[str, ...]:
    """Return the symbols that could stand for one another in an expression."""
    if kind in ("operator", "layer"):
        return (*raw["symbols"], *raw.get("let", {}))
    old = value_at(raw, site.place)
    each = old.items() if isinstance(old, dict) else enumerate(old if isinstance(old, list) else [old])
    return tuple(
        dict.fromkeys(n for name, text in each for n in sorted(names(parse(name if text is None else text, ""))))
    )


def _formulas(old: Any, place: tuple[str | int, ...], symbols: tuple[str, ...]) -> Iterator[Change]:
    """Change one expression, or each of a list or mapping of them; of a mapping swap neighbours, too."""
    if isinstance(old, list):
        for index, size in enumerate(old):
            yield from _formulas(size, (*place, index), symbols)
            if len(old) > 1:
                yield "drop", f"{size} removed", (*place, index), GONE
        return
    if isinstance(old, dict):
        full = {name: name if text is None else text for name, text in old.items()}
        for name, text in full.items():
            yield from _formulas(text, (*place, name), symbols)
        pairs = list(full)
        for one, other in pairwise(pairs):
            if full[one] != full[other]:
                swapped = {**full, one: full[other], other: full[one]}
                yield "binding", f"{one} and {other} swapped", place, swapped
        return
    expression = parse(old, "")
    for change, text in changed_texts(expression, symbols):
        yield change, f"{expression.text} -> {text}", place, text


def _renamed(old: Any, candidates: Any) -> Iterator[tuple[Any, str]]:
    """Put another name in for each name; of several drop each, and swap neighbours."""
    if isinstance(old, dict):
        for key, value in old.items():
            yield from (({**old, key: new}, f"{key}: {says}") for new, says in _renamed(value, candidates))
            yield {name: kept for name, kept in old.items() if name != key}, f"{key} removed"
    elif isinstance(old, list):
        for index, value in enumerate(old):
            new_ones = _renamed(value, candidates)
            yield from (([*old[:index], new, *old[index + 1 :]], says) for new, says in new_ones)
            if len(old) > 1:
                yield [*old[:index], *old[index + 1 :]], f"{value} removed"
            if index + 1 < len(old):
                swapped = [*old[:index], old[index + 1], value, *old[index + 2 :]]
                yield swapped, f"{value} and {old[index + 1]} swapped"
    else:
        yield from ((new, f"{old} -> {new}") for new in candidates(old))


def patterns(mapping: Mapping[str, str], name: str) -> str | None:
    """Return the value of the first pattern that fits a name."""
    return next((text for pattern, text in mapping.items() if re.fullmatch(pattern, name)), None)
