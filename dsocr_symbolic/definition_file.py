"""Read model files, the conventions, the registry of metrics and the time formula."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dsocr_symbolic.definition import (
    Choice,
    Conventions,
    Definition,
    Metric,
    Option,
    Quantity,
    Rule,
    TimeFormula,
    Workload,
)
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.expression import Expression, names, parse
from dsocr_symbolic.fields import check_keys, flag, formulas, table, text, words
from dsocr_symbolic.formula import Symbol
from dsocr_symbolic.formula_file import read_call
from dsocr_symbolic.paths import data_folders
from dsocr_symbolic.yaml_file import read_yaml

# What a rule says may hold formulas in braces.
BRACES = re.compile(r"\{([^}]*)\}")
_QUANTITY = ["value", "formula", "letter", "meaning", "least", "real", "fixed", "config", "gpu", "zero"]
_MODEL = ["summary", "source", "default_workload", "default_gpu", "constants", "config", "workload", "derived"]
_MODEL += ["rules", "choices", "workloads", "phases", "latencies", "children"]


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
        check_keys(raw, ["kind", "unit", "latex", "definition", "formula", "reason", "latency", "of"], where)
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


def load_definition(path: Path) -> Definition:
    """Read a model file.

    Parameters
    ----------
    path : Path
        The file; its stem is the model's name.

    Returns
    -------
    Definition
        The network as data.

    Raises
    ------
    UserError
        If the file breaks the schema.
    """
    where = str(path)
    raw = check_keys(read_yaml(path), _MODEL, where, required=["summary", "constants", "workload", "children"])
    quantities: dict[str, Quantity] = {
        **table(raw, "constants", where, _quantity("constant", real=False)),
        **table(raw, "workload", where, _quantity("workload", real=False)),
        **table(raw, "derived", where, _quantity("derived", real=False)),
        **load_conventions().symbols,
        **load_machine(),
    }
    choices = table(raw, "choices", where, _choice)
    for name, choice in choices.items():
        for option in choice.options.values():
            for symbol, value in option.symbols.items():
                meaning = f"set by the choice {name}"
                quantities.setdefault(symbol, Quantity(letter="", meaning=meaning, formula=value, group="choice"))
    for name, quantity in quantities.items():
        for used in names(quantity.formula):
            if used not in quantities:
                raise UserError(f"{where}: {name}: unknown symbol '{used}': {nearest(used, quantities)}")
    workloads = table(raw, "workloads", where, read_workload)
    rules = raw.get("rules", [])
    if not isinstance(rules, list):
        raise UserError(f"{where}: rules: expected a list, found {rules!r}")
    definition = Definition(
        name=path.stem,
        file=where,
        summary=text(raw, "summary", where),
        quantities=quantities,
        config=raw.get("config", {}),
        rules=tuple(_rule(each, f"{where}: rules") for each in rules),
        choices=choices,
        workloads=workloads,
        default_workload=text(raw, "default_workload", where, next(iter(workloads), "")),
        default_gpu=text(raw, "default_gpu", where, "rtx5090"),
        stages=tuple(table(raw, "children", where, read_call).values()),
        phases=tuple(name for names in words(raw, "phases", where) for name in names),
        latencies=formulas(raw, "latencies", where),
    )
    _check_definition(definition)
    return definition


def _check_definition(definition: Definition) -> None:
    """Check every name that a model file uses, and that derived symbols follow what they are derived of."""
    known = definition.quantities

    def check(expressions: Iterable[Expression], place: str, more: Iterable[str] = ()) -> None:
        for expression in expressions:
            for name in names(expression):
                if name not in known and name not in more:
                    raise UserError(f"{definition.file}: {place}: unknown symbol '{name}': {nearest(name, known)}")

    derived: set[str] = set()
    for name, quantity in known.items():
        for used in names(quantity.formula) if quantity.group == "derived" else ():
            if known[used].group == "derived" and used not in derived:
                raise UserError(f"{definition.file}: derived: {name}: '{used}' is defined further down; move it up")
        derived |= {name} if quantity.group == "derived" else set()
    for rule in definition.rules:
        check([rule.require, *rule.parts], f"rules: {rule.say}")
    for name, choice in definition.choices.items():
        for option, each in choice.options.items():
            check(each.symbols.values(), f"choices: {name}: {option}")
    for name, workload in definition.workloads.items():
        check((parse(symbol, symbol) for symbol in workload.values), f"workloads: {name}")
    stages = [call.name for call in definition.stages]
    for name, latency in definition.latencies.items():
        check([latency], f"latencies: {name}", stages)
    for phase in definition.phases:
        if phase.partition("/")[0] not in stages:
            raise UserError(f"{definition.file}: phases: '{phase}' is in no stage: {nearest(phase, stages)}")
    for call in definition.stages:
        step = [call.repeat.index] if call.repeat.index else []
        place = f"children: {call.name}"
        check(call.given.values(), f"{place}: with", step)
        check([each for each in (call.when, call.repeat.last) if each is not None], place)
        check([call.repeat.copies, call.repeat.calls], f"{place}: repeat")


def _choice(_: str, raw: Any, where: str) -> Choice:
    check_keys(raw, ["summary", "default", "options"], where, required=["summary", "default", "options"])
    options = table(raw, "options", where, _option)
    default = text(raw, "default", where)
    if default not in options:
        raise UserError(f"{where}: default: '{default}' is none of {', '.join(options)}")
    return Choice(summary=text(raw, "summary", where), default=default, options=options)


def _option(_: str, raw: Any, where: str) -> Option:
    check_keys(raw, ["slots", "symbols", "gpu"], where)
    return Option(
        slots=table(raw, "slots", where, lambda _, value, __: str(value)),
        symbols=table(raw, "symbols", where, lambda _, value, place: parse(value, place)),
        gpu=table(raw, "gpu", where, lambda _, value, __: str(value)),
    )


def _rule(raw: Any, where: str) -> Rule:
    check_keys(raw, ["require", "say", "waived_by"], where, required=["require", "say"])
    say = text(raw, "say", where)
    return Rule(
        require=parse(raw["require"], where),
        say=say,
        parts=tuple(parse(part, f"{where}: say") for part in BRACES.findall(say)),
        waived_by=text(raw, "waived_by", where, ""),
    )


def read_workload(name: str, raw: Any, where: str) -> Workload:
    """Read a named workload.

    Parameters
    ----------
    name : str
        Its name.
    raw : object
        What the file says of it.
    where : str
        File and place, for errors.

    Returns
    -------
    Workload
        The workload.

    Raises
    ------
    UserError
        If it breaks the schema.
    """
    check_keys(raw, ["summary", "document", "set"], where)
    document = text(raw, "document", where, "crop")
    if document not in ("crop", "native"):
        raise UserError(f"{where}: document: '{document}' is neither crop nor native")
    return Workload(
        name=name,
        summary=text(raw, "summary", where, ""),
        document=document,
        values=table(raw, "set", where, lambda _, value, __: value),
    )
