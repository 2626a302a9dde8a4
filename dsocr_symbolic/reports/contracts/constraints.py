"""What a field of an artifact may hold: attrs validators, and the words that JSON Schema has for them.

A constraint is the keyword arguments of ``attrs.field``.
"""

import math
import sys
from typing import Any, get_args

from attrs import validators

Constraint = dict[str, Any]
Number = int | float
"""A count that an expected value may make fractional; an int wherever it is whole."""


def _constraint(*checks: Any, **keywords: Any) -> Constraint:
    return {"validator": validators.and_(*checks), "metadata": keywords}


def _whole(_: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"'{attribute.name}' must be a whole number, found {value!r}")


def _number(_: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"'{attribute.name}' must be a number, found {value!r}")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ValueError(f"'{attribute.name}' must be a number that a float can hold")
    if not math.isfinite(value):
        raise ValueError(f"'{attribute.name}' must be finite, found {value!r}")


def _matching(pattern: str) -> Constraint:
    return _constraint(_IS_TEXT, validators.matches_re(pattern), pattern=f"^(?:{pattern})$")


_IS_TEXT = validators.instance_of(str)
_IS_FLOAT = validators.instance_of(float)
FLAG = _constraint(validators.instance_of(bool))
PROSE = _constraint(_IS_TEXT)
TEXT = _constraint(_IS_TEXT, validators.min_len(1), minLength=1)
SIZE = _constraint(_whole, validators.ge(1), minimum=1)
WHOLE = _constraint(_whole, validators.ge(0), minimum=0)
COUNT = _constraint(_number, validators.ge(0), minimum=0)
ANY_NUMBER = _constraint(_number)
POSITIVE = _constraint(_number, validators.gt(0), exclusiveMinimum=0)
AMOUNT = _constraint(_IS_FLOAT, _number, validators.ge(0), minimum=0)
SHARE = _constraint(_IS_FLOAT, _number, validators.ge(0), validators.le(1), minimum=0, maximum=1)
IDENTIFIER = _matching(r"\S+")
"""Unique among its kind; no spaces."""
NAME = _matching(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""A known name, never a file."""
CONTENT_HASH = _matching(r"[0-9a-f]{16}")
REVISION = _matching(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
RELATIVE_PATH = _matching(r"(?!/)(?![A-Za-z]:)[^\\\s]([^\\\r\n]*[^\\\s])?")
"""POSIX, relative to the file that names it; may climb with ``..``."""
URL_PATH = _matching(r"/\S*")


def one_of(options: Any) -> Constraint:
    """Allow the options of a Literal; its schema follows from the type."""
    allowed = get_args(options)
    of_type = _whole if all(isinstance(option, int) for option in allowed) else _IS_TEXT
    return _constraint(of_type, validators.in_(allowed))


def instance(kind: type) -> Constraint:
    """Allow one artifact of a class."""
    return _constraint(validators.instance_of(kind))


def many(member: Constraint) -> Constraint:
    """Allow a tuple whose members all meet a constraint."""
    every = validators.deep_iterable(member["validator"], iterable_validator=validators.instance_of(tuple))
    return {**member, "validator": every}


def table(value: Constraint) -> Constraint:
    """Allow a dict of names whose values all meet a constraint."""
    every = validators.deep_mapping(_IS_TEXT, value["validator"], validators.instance_of(dict))
    return {**value, "validator": every}


def nullable(constraint: Constraint) -> Constraint:
    """Allow None besides."""
    return {**constraint, "validator": validators.optional(constraint["validator"])}
