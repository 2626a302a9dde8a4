"""What is called, as formulas/proofs/ says it in the language of the formulas: shared settings, and single calls."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import EMPTY, Expression, evaluate
from dsocr_symbolic.language.files.proof_file import CallEntry, CallsFile, CellEntry, Given, SharedFile, proof_file
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.schema import structure

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
class Settings(Given):
    """Formulas of symbols that are worked out at a point."""

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
    return {**{name: quantity.formula for name, quantity in quantities}, **proof_file(SharedFile, "shared").let}


def used_settings(
    call: CallEntry | CellEntry,
    *,
    outer: Mapping[str, Expression] = EMPTY,
    own: Mapping[str, Given] = EMPTY,
) -> Settings:
    """Say what a call's symbols are: its words go before those around it, and these before shared settings."""
    known = {**proof_file(SharedFile, "shared").shared, **own}
    used = Settings()
    for name in call.use:
        if name not in known:
            raise UserError(f"formulas/proofs: use: unknown settings '{name}': {nearest(name, known)}")
        used = Settings(let={**used.let, **known[name].let}, given={**used.given, **known[name].given})
    return Settings(let={**used.let, **outer, **call.let}, given={**used.given, **call.given})


def shared_settings(*names: str, **values: Exact) -> dict[str, Exact]:
    """Work out shared settings, in which some symbols have these values."""
    return used_settings(CallEntry(use=names)).at(values)


@cache
def _cases(part: str) -> tuple[Case, ...]:
    return tuple(_entries(getattr(proof_file(CallsFile, "calls"), part), EMPTY, f"formulas/proofs/calls.yaml: {part}"))


def _entries(calls: Iterable[Any], outer: Mapping[str, Expression], where: str) -> Iterator[Case]:
    for number, raw in enumerate(calls, start=1):
        yield from _entry(raw, outer, f"{where}: {number}")


def _entry(raw: Any, outer: Mapping[str, Expression], where: str) -> Iterator[Case]:
    """Make the calls of an entry once for each column of its table, and once for each combination of its values."""
    call = structure(CallEntry, raw, where)
    if not call.layer and not call.calls:
        raise UserError(f"{where}: the key 'layer' is missing")
    settings = used_settings(call, outer=outer)
    columns = list(zip(*call.at.values(), strict=True)) if call.at else [()]
    for column, combination in product(columns, product(*call.over.values())):
        let = {**settings.let, **dict(zip((*call.at, *call.over), (*column, *combination), strict=True))}
        if call.calls:
            yield from _entries(call.calls, let, where)
            continue
        yield Case(
            layer=call.layer,
            settings=evolve(settings, let=let).at({}),
            precisions=call.precisions,
            choices=call.choices,
        )


def corner_cases() -> tuple[Case, ...]:
    """Return the calls at sizes of 1, where copies are views."""
    return _cases("corners")


def sampled_cases() -> tuple[Case, ...]:
    """Return every single call that ``dsocr verify`` compares, the quick ones first."""
    return corner_cases() + _cases("sampled")


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


def decodes(settings: Mapping[str, Any]) -> bool:
    """Say whether a call is a step of decode, or one behind cached tokens."""
    return settings.get("sequence") == 1 or settings.get("past", 0) > 0


def few_blocks(settings: Mapping[str, Exact]) -> dict[str, Exact]:
    """Leave out the blocks of a call that are only more of the same."""
    few = shared_settings("few_sam", "few_clip")
    return {name: min(value, few.get(name, value)) for name, value in settings.items()}


def uncounted() -> Mapping[str, str]:
    """Return the formula files that no call stands for, and why."""
    calls: CallsFile = proof_file(CallsFile, "calls")
    return calls.uncounted
