"""What every network shares: metrics, conventions, the machine's symbols, times; and which metric is which time's."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar

from dsocr_symbolic.errors import UserError, check_known, nearest
from dsocr_symbolic.language.expression import ZERO, Expression, check_names, constant
from dsocr_symbolic.language.read_objects import read_as
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.language.schema import (
    GUARD,
    NAMES,
    TEXT,
    Reader,
    entry,
    follows,
    listed,
    records,
    structure,
)
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_folders
from dsocr_symbolic.records import frozen

T = TypeVar("T")
Kind = Literal[
    "flow", "stock", "ratio", "boundary", "peak", "time", "bound", "wall", "memory", "latency", "server", "null"
]
# Groups whose symbols are whole numbers unless they say otherwise.
_WHOLE = ("constant", "workload", "derived")


@frozen(kw_only=True)
class Metric:
    """One metric of the registry."""

    name: str
    kind: Kind = entry("how parts make the whole")
    unit: str = entry("unit, as printed")
    latex: str = entry("letter in print, LaTeX")
    definition: str = entry("what it counts")
    formula: Expression | None = entry("what it is of other metrics", default=None)
    reason: str = entry("where and why it is null", default="")
    latency: str = entry("formula of the model that a latency is", default="")
    of: str = entry("time that a latency adds up", default="")
    term: str = entry("what alone counts of a kernel's time", default="")
    takes: str = entry("what it adds up: of a launch, a module, the file of a time, a metric of operators", default="")
    step: Literal["", "training"] = entry("training where a training step alone has it", default="")


METRICS = records(Metric)


@frozen(kw_only=True)
class Quantity:
    """A symbol that has a value: a constant, a workload symbol, a convention, a machine's number.

    Attributes
    ----------
    group : str
        ``constant``, ``workload``, ``derived``, ``convention``, ``choice``, ``layer``, ``machine`` or ``server``.
    """

    FORM: ClassVar[Mapping[str, Any]] = {"not": {"required": ["value", "formula"]}}

    group: str
    letter: str = entry("letter in print, LaTeX")
    meaning: str = entry("what it means")
    value: Expression | None = entry("its value; of a GPU's number, where the GPU has none", default=None)
    formula: Expression = entry("what gives it", default=follows(lambda quantity: quantity.value or ZERO))
    least: int = entry("smallest value allowed", default=follows(lambda quantity: int(quantity.group == "constant")))
    real: bool = entry("whether it may be fractional", default=follows(lambda quantity: quantity.group not in _WHOLE))
    fixed: bool = entry("whether it is a definition that nobody may set", default=False)
    config: str = entry("its key in config.json", default="")
    also: tuple[str, ...] = entry("other keys of it there, where that one is missing", default=())
    otherwise: Expression | None = entry("what it is where a config.json does not say it", key="else", default=None)
    none: Expression | None = entry(
        "what it is where a config.json says null; as where it says nothing unless said", default=None
    )
    count: str = entry("its key there holds a list, of which these entries count", default="")
    among: tuple[str, ...] = entry("with 'count': the entries that the list may hold; any unless said", default=())
    of: Expression | None = entry("with 'count': how many entries the list must hold", default=None)
    first: int = entry("with 'count': so many entries at the list's beginning alone; 0 for all", default=0)
    where: Expression | None = entry(
        "its key there holds a list, of which each 'item' counts for which this holds", GUARD, default=None
    )
    gpu: tuple[str, ...] = entry("the GPU's numbers it may stand for: the first that the GPU has", default=())
    zero: bool = entry("whether a machine's number may be 0", default=False)
    moves_with: str = entry("symbol that it follows where that is set, whatever the GPU's number is", default="")
    in_bounds_for: str = entry("symbol that it stands for in bounds: where that is set, so is this", default="")
    scales: Expression | None = entry(
        "what it goes with from GPU to GPU: a number that was not measured is the reference's, times the ratio of this",
        default=None,
    )
    extreme: Literal["", "largest", "smallest"] = entry(
        "which of the GPU's numbers and of their sources counts, for bounds; where one lacks, no bound is claimed",
        default="",
    )
    fewest: Expression | None = entry("what it is at least, for bounds", default=None)
    unit: str = entry("byte, FLOP/s, pixel, ...; empty for a count or a ratio", default="")
    flags: tuple[str, ...] = entry("its options on the command line, in a server's own words", default=())

    def __attrs_post_init__(self) -> None:
        """Refuse two values."""
        if self.value is not None and self.formula is not self.value:
            raise UserError("'value' and 'formula' both give it; keep one")
        number = constant(self.value)
        if number is not None and number < self.least:
            raise UserError(f"value: {number} is less than {self.least}, the least allowed; correct it, or 'least'")
        if number is not None and number % 1 and not self.real:
            raise UserError(f"value: {number} is no whole number; correct it, or say 'real: true'")

    @property
    def above_zero(self) -> bool:
        """Whether it must be greater than 0: a machine's number, or a server's, that may not be 0."""
        return self.group in ("machine", "server") and not self.zero

    @property
    def optional(self) -> bool:
        """Whether its value stands in where the GPU has none of its numbers."""
        return self.value is not None


@frozen(kw_only=True)
class Conventions:
    """What every number rests on."""

    summary: str = entry("what the file is", default="")
    statements: tuple[str, ...] = entry("what is counted, and how", listed(TEXT))
    categories: tuple[str, ...] = entry("kinds of work", listed(TEXT))
    symbols: Mapping[str, Quantity] = entry("symbols of every formula", records(Quantity, group="convention"))
    rules: tuple[Rule, ...] = entry("conditions on these symbols", default=())
    warnings: tuple[Rule, ...] = entry("what is doubtful of these symbols", default=())


@frozen(kw_only=True)
class Machine:
    """The machine's symbols."""

    summary: str = entry("what the file is", default="")
    reference: str = entry("the GPU whose measured numbers those of others follow from", default="")
    symbols: Mapping[str, Quantity] = entry("numbers that times and memory use", records(Quantity, group="machine"))
    rules: tuple[Rule, ...] = entry("conditions on these symbols", default=())
    warnings: tuple[Rule, ...] = entry("what is doubtful of these symbols", default=())


def formula_file(relative: str) -> tuple[Any, str]:
    """Read a file of the formulas that all networks share; return its content and its path."""
    path = data_folders("formulas")[-1] / relative
    return read_yaml(path), str(path)


def shared_read(make: Callable[[], T], *relative: str, apart: bool = False) -> T:
    """Return what is made of files of the formulas that all networks share, the one that it is read of the first."""
    return read_as(relative[0], [data_folders("formulas")[-1] / each for each in relative], make, apart=apart)


@cache
def load_conventions() -> Conventions:
    """Read formulas/conventions.yaml."""
    return shared_read(lambda: _with_known_rules(Conventions, "conventions.yaml"), "conventions.yaml")


@cache
def load_metrics() -> Mapping[str, Metric]:
    """Read formulas/metrics.yaml, the one registry of metric names."""
    metrics: Mapping[str, Metric] = shared_read(lambda: METRICS.read(*formula_file("metrics.yaml")), "metrics.yaml")
    return metrics


def known_metric(name: str) -> Metric:
    """Return a metric of the registry; an unknown one is a UserError."""
    metrics = load_metrics()
    if name not in metrics:
        raise UserError(f"unknown metric '{name}': {nearest(name, metrics)}")
    return metrics[name]


@cache
def read_machine() -> Machine:
    """Read formulas/machine.yaml."""
    return shared_read(lambda: _with_known_rules(Machine, "machine.yaml"), "machine.yaml")


def load_machine() -> Mapping[str, Quantity]:
    """Return the machine's symbols."""
    return read_machine().symbols


def _with_known_rules(kind: type[T], name: str) -> T:
    """Read a file of symbols that all networks share; its rules are about these alone."""
    raw, file = formula_file(name)
    content: Any = structure(kind, raw, file)
    for place in ("rules", "warnings"):
        for rule in getattr(content, place):
            check_names(f"{file}: {place}: {rule.say}", content.symbols, rule.require, *rule.parts)
    check_known({known.moves_with for known in content.symbols.values()} - {""}, content.symbols, file, "symbol")
    read: T = content
    return read


# What a bounds file calls the whole network.
WHOLE = "total"


def _metric(raw: Any, where: str) -> str:
    name: str = TEXT.read(raw, where)
    check_known([name], load_metrics(), where, "metric")
    return name


def _paths(raw: Any, where: str) -> tuple[str, ...]:
    paths = NAMES.read(raw, where)
    if not paths:
        raise UserError(f"{where}: names no part; write a path of the tree, or {WHOLE}")
    return tuple("" if path == WHOLE else path for path in paths)


@frozen(kw_only=True)
class Term:
    """A metric of parts of the network together; the whole is ``("",)``."""

    metric: str = entry("a name of the registry", Reader(_metric, TEXT.form))
    paths: tuple[str, ...] = entry("parts, or total", Reader(_paths, {**NAMES.form, "minItems": 1}), key="of")
