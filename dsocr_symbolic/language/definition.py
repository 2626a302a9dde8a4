"""What a model file, the conventions, the metrics and the time formulas say, as data."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.formula import Call


@frozen(kw_only=True)
class Quantity:
    """A symbol that has a value: a constant, a workload symbol, a convention, a machine's number.

    Attributes
    ----------
    letter, meaning : str
        LaTeX letter and meaning.
    formula : Expression
        Its value, or what gives it.
    group : str
        ``constant``, ``workload``, ``derived``, ``convention``, ``choice`` or ``machine``.
    least : int
        Smallest value allowed.
    real : bool
        Whether it may have a fractional part.
    fixed : bool
        Whether it is a definition that nobody may set.
    config : str
        Its key in config.json, or empty.
    gpu : tuple of str
        The GPU's numbers it may stand for: the first one that the GPU has.
    optional : bool
        Whether its formula stands in where the GPU has none of them.
    zero : bool
        Whether a machine's number may be 0.
    unit : str
        ``byte``, ``FLOP/s``, ``pixel``, ...; empty for a count or a ratio.
    """

    letter: str
    meaning: str
    formula: Expression
    group: str
    least: int = 0
    real: bool = True
    fixed: bool = False
    config: str = ""
    gpu: tuple[str, ...] = ()
    optional: bool = False
    zero: bool = False
    unit: str = ""


@frozen(kw_only=True)
class Rule:
    """A condition on values, what to say when it fails (with formulas in braces), and the switch that lifts it."""

    require: Expression
    say: str
    parts: tuple[Expression, ...]
    waived_by: str


@frozen(kw_only=True)
class Option:
    """One option of a choice: formulas for slots, values for symbols, GPU numbers for time symbols."""

    slots: Mapping[str, str]
    symbols: Mapping[str, Expression]
    gpu: Mapping[str, str]


@frozen(kw_only=True)
class Choice:
    """A choice on the command line."""

    summary: str
    default: str
    options: Mapping[str, Option]


@frozen(kw_only=True)
class Workload:
    """A named workload: values, and what a page of a document becomes."""

    name: str
    summary: str
    document: str
    values: Mapping[str, Any]


@frozen(kw_only=True)
class Definition:
    """A network as its model file defines it, with conventions and the machine's symbols.

    Attributes
    ----------
    phases : tuple of str
        Paths of what runs one after the other; they cover the network.
    latencies : mapping of str to Expression
        Formulas in the stages' names, each of which stands for its time, and in symbols.
    """

    name: str
    file: str
    summary: str
    quantities: Mapping[str, Quantity]
    config: Mapping[str, Any]
    rules: tuple[Rule, ...]
    choices: Mapping[str, Choice]
    workloads: Mapping[str, Workload]
    default_workload: str
    default_gpu: str
    stages: tuple[Call, ...]
    phases: tuple[str, ...]
    latencies: Mapping[str, Expression]
