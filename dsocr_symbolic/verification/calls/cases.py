"""What is called, as formulas/proofs/ says it in the language of the formulas: shared settings, and single calls."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import Expression, evaluate, parse
from dsocr_symbolic.language.fields import check_keys, formulas, table, text, words
from dsocr_symbolic.language.formula import EMPTY
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files

WHOLE = "prefill of the network"
"""Stands for a formula file's name: the stages of the model up to decode."""


@frozen(kw_only=True)
class Case:
    """One call to compare.

    Attributes
    ----------
    layer : str
        The formula file; behind a blank, which of its variants is called.
    settings : mapping of str to int
        The formula's symbols.
    precisions : tuple of str
        ``plain``, ``autocast``.
    choices : mapping of str to str
        Options of the model's choices.
    """

    layer: str
    settings: Mapping[str, Any]
    precisions: tuple[str, ...] = ("plain",)
    choices: Mapping[str, str] = EMPTY


def formula_file(layer: str) -> str:
    """Drop the variant from what is called."""
    return layer if layer == WHOLE else layer.partition(" ")[0]


@frozen(kw_only=True)
class Settings:
    """Formulas of symbols, and of what they are made of where a call says nothing else."""

    let: Mapping[str, Expression] = EMPTY
    given: Mapping[str, Expression] = EMPTY

    def at(self, point: Mapping[str, Exact]) -> dict[str, Exact]:
        """Work out the symbols, exactly, with these values of axes."""
        scope = _Scope({**_model_formulas(), **self.let}, point)
        return {name: arithmetic.whole(evaluate(formula, scope, arithmetic)) for name, formula in self.given.items()}


class _Scope(dict[str, Exact]):
    """Values by name; one that is missing follows from its formula when it is asked for."""

    def __init__(self, formulas: dict[str, Expression], values: Mapping[str, Exact]) -> None:
        super().__init__(values)
        self._formulas = formulas

    def __missing__(self, name: str) -> Exact:
        if name not in self._formulas:
            raise UserError(f"formulas/proofs: unknown symbol '{name}': {nearest(name, {*self._formulas, *self})}")
        # Taken out: a formula that asks for itself finds none.
        value: Exact = evaluate(self._formulas.pop(name), self, arithmetic)
        self[name] = value
        return value


@cache
def _model_formulas() -> dict[str, Expression]:
    """Read what the model file and the shared settings say of every symbol."""
    quantities = default_definition(None).quantities.items()
    raw, where = proof_file("shared")
    return {name: quantity.formula for name, quantity in quantities} | formulas(raw, "let", where)


def proof_file(name: str) -> tuple[Mapping[str, Any], str]:
    """Read a file of formulas/proofs/; also say where it lies, for errors."""
    path = data_files("formulas/proofs")[name]
    keys = {
        "shared": ["let", "shared"],
        "cells": ["cells"],
        "calls": ["uncounted", "sampled", "published", "training", "peaks"],
    }
    return check_keys(read_yaml(path), keys[name], str(path), required=keys[name]), str(path)


@cache
def _shared() -> Mapping[str, Settings]:
    raw, where = proof_file("shared")

    def read(_: str, entry: Any, place: str) -> Settings:
        check_keys(entry, ["let", "with"], place)
        return Settings(let=formulas(entry, "let", place), given=formulas(entry, "with", place))

    return table(raw, "shared", where, read)


def used_settings(
    entry: Mapping[str, Any],
    where: str,
    *,
    outer: Mapping[str, Expression] = EMPTY,
    own: Mapping[str, Settings] = EMPTY,
) -> Settings:
    """Read what a call says of its symbols: its words go before those around it, and these before shared settings."""
    known = {**_shared(), **own}
    used = Settings()
    for name in chain.from_iterable(words(entry, "use", where)):
        if name not in known:
            raise UserError(f"{where}: use: unknown settings '{name}': {nearest(name, known)}")
        used = Settings(let={**used.let, **known[name].let}, given={**used.given, **known[name].given})
    let = {**used.let, **outer, **formulas(entry, "let", where)}
    return Settings(let=let, given={**used.given, **formulas(entry, "with", where)})


def shared_settings(*names: str, **values: Exact) -> dict[str, Exact]:
    """Work out shared settings, in which some symbols have these values."""
    return used_settings({"use": list(names)}, "formulas/proofs").at(values)


def read_choices(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    """Read the options of the model's choices."""
    return table(entry, "choices", where, lambda name, _, place: text(entry["choices"], name, place))


_CALL = ("at", "let", "use", "with", "layer", "choices", "precisions", "calls")


@cache
def _cases(part: str) -> tuple[Case, ...]:
    raw, where = proof_file("calls")
    return tuple(_entries(raw[part], EMPTY, f"{where}: {part}"))


def _entries(entries: Any, outer: Mapping[str, Expression], where: str) -> Iterator[Case]:
    if not isinstance(entries, list):
        raise UserError(f"{where}: expected a list of calls, found {entries!r}")
    for number, entry in enumerate(entries):
        yield from _entry(entry, outer, f"{where}: entry {number + 1}")


def _entry(entry: Any, outer: Mapping[str, Expression], where: str) -> Iterator[Case]:
    """Make the calls of an entry once for each column of its table."""
    check_keys(entry, _CALL, where, required=[] if "calls" in entry else ["layer"])
    settings = used_settings(entry, where, outer=outer)
    rows = table(entry, "at", where, lambda _, values, place: [parse(value, place) for value in values])
    for column in zip(*rows.values(), strict=True) if rows else [()]:
        let = {**settings.let, **dict(zip(rows, column, strict=True))}
        if "calls" in entry:
            yield from _entries(entry["calls"], let, where)
            continue
        yield Case(
            layer=text(entry, "layer", where),
            settings=evolve(settings, let=let).at({}),
            precisions=tuple(chain.from_iterable(words({"precisions": "plain", **entry}, "precisions", where))),
            choices=read_choices(entry, where),
        )


def sampled_cases() -> tuple[Case, ...]:
    """Return every single call that ``dsocr verify`` compares, the quick ones first."""
    return _cases("sampled")


def published_layers() -> tuple[Case, ...]:
    """Return calls of every layer at the published network's widths, each by itself."""
    return _cases("published")


def training_pages() -> tuple[Case, ...]:
    """Return the calls of the whole network whose gradient step is compared."""
    return _cases("training")


def peak_cases() -> tuple[Case, ...]:
    """Return the calls whose peak is compared: the layers at published widths, the towers at every size, and pages."""
    return published_layers() + _cases("peaks")


def page_settings(crop_columns: int, crop_rows: int, **sizes: int) -> dict[str, Exact]:
    """Set up a page on a network with as few layers of each kind as show every lifetime; 0 crops leave it uncut."""
    return shared_settings("page", "few_blocks", crop_columns=crop_columns, crop_rows=crop_rows, **sizes)


def few_blocks(settings: Mapping[str, Exact]) -> dict[str, Exact]:
    """Leave out the blocks of a call that are only more of the same."""
    few = shared_settings("few_sam", "few_clip")
    return {name: min(value, few.get(name, value)) for name, value in settings.items()}


@cache
def uncounted() -> Mapping[str, str]:
    """Return the formula files that no call stands for, and why."""
    raw, where = proof_file("calls")
    return table(raw, "uncounted", where, lambda name, _, place: text(raw["uncounted"], name, place))
