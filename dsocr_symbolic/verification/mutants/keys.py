"""What of each YAML file is mutated: by the type of a key, by what its name stands for, or not at all."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from attrs import NOTHING, has

from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.registry import Metric
from dsocr_symbolic.language.schema import entries
from dsocr_symbolic.scenario.schema_files import FORMS

FILE_KINDS = ("operator", "layer", "model", "bounds", "conventions", "machine", "metrics", "time")
"""Kinds of files whose keys are mutated; datasheets, workload files and proofs are what others are held to.

A server's formulas are not among them: a simulation of the same engine judges those.
"""

# Class and key -> why no mutant of it is made; a key alone stands for all classes.
OUT: Mapping[str, str] = {
    **dict.fromkeys(("summary", "why", "source", "meaning", "definition", "reason", "statements"), "text"),
    **dict.fromkeys(("letter", "latex"), "letters in print"),
    "cut_by": "names in print",
    **dict.fromkeys(
        (
            "kernels",
            "backward_kernels",
            "turned",
            "permuted",
            "turns",
            "permutes",
            "Layer.host",
            "Call.host",
            "Metric.term",
        ),
        "seconds of kernels and launches, which measurements judge: reports/measured",
    ),
    **dict.fromkeys(
        ("Machine.reference", "Quantity.scales"), "rules for GPUs that nobody measured; outputs call the result derived"
    ),
    "unit": "a unit",
    "Quantity.flags": "words of the command line, whose own tests ask by them",
    **dict.fromkeys(
        ("class", "category", "categories", "model_id", "model_variant"), "a label that no number is made of"
    ),
    "example": "numbers that a test holds the formulas to",
    **dict.fromkeys(
        ("Architecture.hub", "Architecture.oracle", "Architecture.roots", "Definition.uncounted"),
        "a label that no number is made of",
    ),
    **dict.fromkeys(
        ("also", "else", "none", "count", "where", "choose", "model_types", "architectures", "same"),
        "what config.json files of other networks say; those are counted as wholes, formulas/proofs/networks.yaml",
    ),
    **dict.fromkeys(
        ("Quantity.among", "Quantity.of", "Quantity.first"), "which lists of a config.json are read, and how"
    ),
    "Operator.symbols": "letters and texts",
    "Layer.symbols": "letters and texts",
    "TimeFormula.symbols": "letters and texts",
    "Repeat.over": "a bound name; 'last' and what uses it are mutated",
}

# Class and key -> the kind of name that stands there: a mutant names another one of that kind.
NAMES: Mapping[str, str] = {
    "Filling.use": "callee",
    "Call.use": "callee",
    "Option.slots": "callee",
    **{f"Call.{key}": "tensor" for key in ("reads", "writes", "skip", "keeps")},
    "Layer.holds": "tensor",
    "Gradient.gives": "tensor",
    "Gradient.reads": "tensor",
    "Call.module": "module",
    "Layer.tied": "weight",
    "Definition.tied": "weight",
    "Operator.aten": "aten",
    "Member.aten": "aten",
    "Rule.waived_by": "switch",
    "Condition.waive": "switch",
    "Choice.default": "chosen",
    "Option.choices": "bundled",
    "Option.gpu": "gpu number",
    "Quantity.gpu": "gpu number",
    "Quantity.config": "config key",
    "Definition.default_workload": "workload",
    "Definition.default_gpu": "gpu",
    "Definition.phases": "path",
    "Identity.vision_backbone": "path",
    **{f"Roles.{key}": "symbol" for key in ("batch", "prompt_tokens", "image_tokens", "new_tokens", "hit", "free")},
    "Quantity.in_bounds_for": "symbol",
    "Quantity.moves_with": "symbol",
    **{f"Crops.{key}": "symbol" for key in ("columns", "rows", "number", "side", "whole")},
    "Condition.vary": "symbol",
    "Metric.latency": "latency",
    "Metric.of": "metric",
    "Metric.takes": "taken",
    "TimeFormula.metric": "metric",
    "Term.metric": "metric",
    "Term.of": "path",
}

# Class and key -> another way in which it is read: text with formulas in braces, and whatever a config.json may say.
SPECIAL: Mapping[str, str] = {"Rule.say": "braces", "Definition.config": "data"}


class Spot(NamedTuple):
    """A value in a file that is mutated.

    Attributes
    ----------
    key, way : str
        Class and key, ``Quantity.gpu``; and how: see :func:`way`.
    place : tuple of str or int
        Where it stands in the file.
    optional : bool
        Whether the file may leave it out.
    options : tuple of str
        What else could stand there, of an ``option``.
    """

    key: str
    way: str
    place: tuple[str | int, ...]
    optional: bool
    options: tuple[str, ...] = ()


def root(kind: str) -> Any:
    """Return the type that a kind of file is read as."""
    return FORMS[kind].get("$ref", Mapping[str, Metric])


def declared(kind: Any) -> dict[str, str]:
    """Return every key of a class and of those inside it, and how it is mutated, see :func:`way`."""
    keys: dict[str, str] = {}
    waiting = _records(kind)
    for cls in waiting:
        for key, (place, _) in entries(cls).items():
            keys[f"{cls.__name__}.{key}"] = how = way(cls, key, place.type)
            if how == "record":
                waiting += [record for record in _records(place.type) if record not in waiting]
    return keys


def way(cls: Any, key: str, kind: Any) -> str:
    """Say how a key is mutated: ``out`` if it is not, ``record`` if what stands in it is; KeyError if nobody knows.

    Otherwise as a ``formula``, ``flag``, ``number``, ``option``, as ``braces`` or ``data``, or by its kind of name.
    """
    name = f"{cls.__name__}.{key}"
    if key in OUT or name in OUT:
        return "out"
    if name in SPECIAL:
        return SPECIAL[name]
    if _records(kind):
        return "record"
    leaves = _leaves(kind)
    if any(get_origin(leaf) is Literal for leaf in leaves):
        return "option"
    return next((_BY_TYPE[leaf] for leaf in leaves if leaf in _BY_TYPE), "") or NAMES[name]


_BY_TYPE: Mapping[Any, str] = {Expression: "formula", bool: "flag", int: "number", float: "number"}


def _leaves(kind: Any) -> list[Any]:
    """Return the types that a type is made of; a mapping is of its values."""
    if get_origin(kind) in (None, Literal):
        return [kind]
    inside = get_args(kind)[1:] if get_origin(kind) is Mapping else get_args(kind)
    return [leaf for part in inside for leaf in _leaves(part)]


def _records(kind: Any) -> list[Any]:
    return [leaf for leaf in _leaves(kind) if has(leaf) and leaf is not Expression]


def sites(kind: Any, raw: Any, place: tuple[str | int, ...] = (), key: str = "Metrics.metric") -> Iterator[Spot]:
    """Yield what is mutated of a file's content, a record or several of them."""
    if get_origin(kind) in (Union, UnionType):
        kind = get_args(kind)[0]
    if not has(kind):
        inside = get_args(kind)[1 if get_origin(kind) is Mapping else 0]
        for name, content in raw.items() if isinstance(raw, dict) else enumerate(raw):
            yield Spot(key, "record", (*place, name), optional=True)
            yield from sites(inside, content, (*place, name), key)
        return
    for name, (field, _) in entries(kind).items():
        how, own = way(kind, name, field.type), f"{kind.__name__}.{name}"
        if name not in raw or how == "out":
            continue
        if how == "record":
            yield from sites(field.type, raw[name], (*place, name), own)
        else:
            options = tuple(str(option) for leaf in _leaves(field.type) for option in get_args(leaf))
            yield Spot(own, how, (*place, name), field.default is not NOTHING, options if how == "option" else ())
