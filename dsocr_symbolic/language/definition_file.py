"""Read model files, the conventions, the registry of metrics and the time formula."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Choice, Definition, Option, Quantity, Rule, Workload
from dsocr_symbolic.language.expression import Expression, names, parse
from dsocr_symbolic.language.fields import check_keys, formulas, table, text, words
from dsocr_symbolic.language.formula_file import read_call
from dsocr_symbolic.language.registry import _quantity, load_conventions, load_machine
from dsocr_symbolic.language.strict_yaml import read_yaml

# What a rule says may hold formulas in braces.
BRACES = re.compile(r"\{([^}]*)\}")


_MODEL = ["summary", "source", "default_workload", "default_gpu", "constants", "config", "workload", "derived"]


_MODEL += ["rules", "choices", "workloads", "phases", "latencies", "children"]


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
