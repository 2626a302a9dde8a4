"""Which metrics are times, which of them are bounds, and what one kind of time is called in the other."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Quantity
from dsocr_symbolic.language.expression import Expression, names, parse
from dsocr_symbolic.language.fields import check_keys, flag, table, text, words
from dsocr_symbolic.language.formula import Symbol
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_folders

Kind = Literal["flow", "stock", "ratio", "boundary", "peak", "time", "bound", "memory", "latency", "null"]


@frozen(kw_only=True)
class Metric:
    """One metric of the registry; a latency says which formula of the model it is, of which time."""

    name: str
    kind: Kind
    unit: str
    latex: str
    definition: str
    formula: Expression | None
    reason: str
    latency: str
    of: str
    takes: str = ""
    step: str = ""


@frozen(kw_only=True)
class Conventions:
    """What every number rests on."""

    statements: tuple[str, ...]
    categories: tuple[str, ...]
    symbols: Mapping[str, Quantity]


@frozen(kw_only=True)
class TimeFormula:
    """Seconds of one launch or phase from its FLOPs and bytes and the machine's numbers.

    Attributes
    ----------
    metric : str
        Its name in the registry.
    of : str
        ``launch`` or ``phase``.
    why : str
        What it means and what it leaves out.
    arguments : mapping of str to Symbol
        What a launch or phase gives: ``tensor_core_flops``, ``cuda_core_flops``, ``io_bytes``.
    seconds : Expression
        The formula.
    """

    metric: str
    of: str
    why: str
    arguments: Mapping[str, Symbol]
    seconds: Expression


_QUANTITY = ["value", "formula", "letter", "meaning", "least", "real", "fixed", "config", "gpu", "zero"]


def _formula_file(relative: str) -> Path:
    return data_folders("formulas")[-1] / relative


def _quantity(group: str, *, real: bool) -> Callable[[str, Any, str], Quantity]:
    """Return a reader of one symbol of a group."""

    def read(_: str, raw: Any, where: str) -> Quantity:
        check_keys(raw, _QUANTITY, where, required=["letter", "meaning"])
        source = raw.get("value", raw.get("formula", 0))
        least = raw.get("least", 1 if group == "constant" else 0)
        if isinstance(least, bool) or not isinstance(least, int):
            raise UserError(f"{where}: least: expected a whole number, found {least!r}")
        return Quantity(
            letter=text(raw, "letter", where),
            meaning=text(raw, "meaning", where),
            formula=parse(source, f"{where}: {'value' if 'value' in raw else 'formula'}"),
            group=group,
            least=least,
            real=flag(raw, "real", where, default=real),
            fixed=flag(raw, "fixed", where, default=False),
            config=text(raw, "config", where, ""),
            gpu=tuple(name for names in words(raw, "gpu", where) for name in names),
            optional="value" in raw,
            zero=flag(raw, "zero", where, default=False),
        )

    return read


@cache
def load_conventions() -> Conventions:
    """Read formulas/conventions.yaml.

    Raises
    ------
    UserError
        If it breaks the schema.
    """
    path = _formula_file("conventions.yaml")
    raw = check_keys(read_yaml(path), ["summary", "statements", "categories", "symbols"], str(path))
    return Conventions(
        statements=tuple(raw["statements"]),
        categories=tuple(raw["categories"]),
        symbols=table(raw, "symbols", str(path), _quantity("convention", real=True)),
    )


@cache
def load_metrics() -> Mapping[str, Metric]:
    """Read formulas/metrics.yaml, the one registry of metric names.

    Raises
    ------
    UserError
        If it breaks the schema.
    """
    path = _formula_file("metrics.yaml")

    def read(name: str, raw: Any, where: str) -> Metric:
        keys = ["kind", "unit", "latex", "definition", "formula", "reason", "latency", "of", "takes", "step"]
        check_keys(raw, keys, where)
        return Metric(
            name=name,
            kind=raw["kind"],
            unit=raw["unit"],
            latex=raw["latex"],
            definition=raw["definition"],
            formula=parse(raw["formula"], where) if "formula" in raw else None,
            reason=raw.get("reason", ""),
            latency=raw.get("latency", ""),
            of=raw.get("of", ""),
            takes=raw.get("takes", ""),
            step=raw.get("step", ""),
        )

    return table({"metrics": read_yaml(path)}, "metrics", str(path), read)


@cache
def load_machine() -> Mapping[str, Quantity]:
    """Read formulas/machine.yaml.

    Raises
    ------
    UserError
        If it breaks the schema.
    """
    path = _formula_file("machine.yaml")
    raw = check_keys(read_yaml(path), ["summary", "symbols"], str(path), required=["symbols"])
    return table(raw, "symbols", str(path), _quantity("machine", real=True))


@cache
def load_time(name: str) -> TimeFormula:
    """Read a time formula: ``roofline`` or ``lower_bound``.

    Raises
    ------
    UserError
        If it breaks the schema.
    """
    path = _formula_file(f"time/{name}.yaml")
    keys = ["summary", "metric", "of", "why", "symbols", "seconds"]
    raw = check_keys(read_yaml(path), keys, str(path), required=keys)
    arguments = table(raw, "symbols", str(path), _argument)
    seconds = parse(raw["seconds"], f"{path}: seconds")
    known = [*load_machine(), *arguments]
    for used in names(seconds):
        if used not in known:
            raise UserError(f"{path}: seconds: unknown symbol '{used}': {nearest(used, known)}")
    return TimeFormula(
        metric=raw["metric"], of=raw["of"], why=" ".join(raw["why"].split()), arguments=arguments, seconds=seconds
    )


def _argument(_: str, raw: Any, where: str) -> Symbol:
    """Read a symbol that stands for what a launch or phase gives."""
    check_keys(raw, ["letter", "meaning"], where, required=["letter", "meaning"])
    return Symbol(letter=text(raw, "letter", where), meaning=text(raw, "meaning", where))


@frozen(kw_only=True)
class Term:
    """A metric of parts of the network together; the whole is ``("",)``."""

    paths: tuple[str, ...]
    metric: str


TIMES = ("roofline", "lower_bound")


def timed(metric: str, time: str) -> str:
    """Return a time metric as the asked kind of time has it; other metrics stay.

    Parameters
    ----------
    metric : str
        A name of the registry.
    time : str
        ``roofline`` or ``lower_bound``.

    Raises
    ------
    UserError
        If there is no such kind of time.
    """
    if time not in TIMES:
        raise UserError(f"unknown time '{time}': {nearest(time, TIMES)}")
    metrics, wanted = load_metrics(), load_time(time).metric
    known = metrics.get(metric)
    if known is None or wanted == load_time(TIMES[0]).metric:
        return metric
    if known.kind == "time":
        return wanted
    twins = [name for name, each in metrics.items() if each.latency == known.latency and each.of == wanted]
    return twins[0] if known.latency and twins else metric


def is_time(metric: str) -> bool:
    """Whether a metric is a time."""
    return load_metrics()[metric].unit == "s"


def is_bound(metric: str) -> bool:
    """Whether a metric is a lower bound, or made of one."""
    known = load_metrics()[metric]
    return known.kind == "bound" or (known.of != "" and load_metrics()[known.of].kind == "bound")
