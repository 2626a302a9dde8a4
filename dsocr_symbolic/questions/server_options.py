"""Options in a server's own words: symbols of formulas/server.yaml, and its names for options of choices."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.files.server_file import load_server


def told() -> tuple[str, ...]:
    """Return the symbols that have options of their own."""
    return tuple(name for name, symbol in load_server().symbols.items() if symbol.flags)


def server_options() -> list[click.Parameter]:
    """Make an option for each of them."""
    known = load_server().symbols
    return [
        click.Option([*known[name].flags, name], metavar="N", help=f"{_capital(known[name].meaning)}.")
        for name in told()
    ]


def with_server(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put what servers are told among the settings."""
    from dsocr_symbolic.scenario.checks import parse_number

    numbers = {name: word for name in told() if (word := given.get(name)) is not None}
    for name in numbers.keys() & settings.keys():
        raise UserError(f"{flag(name)} and --set {name}: give one of them")
    return {**settings, **{name: parse_number(word, name) for name, word in numbers.items()}}


def flag(name: str) -> str:
    """Return the first option of a symbol."""
    return load_server().symbols[name].flags[0]


def flags_of(choice: str) -> tuple[str, ...]:
    """Return a server's options for a choice."""
    words = load_server().choices.get(choice)
    return words.flags if words else ()


def translated(choice: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return what turns a server's word for an option of a choice into ours; none is what leaves the default."""
    known = load_server().choices.get(choice)
    words = known.words if known else {}
    return lambda _, __, value: words.get(value, value) or None if value else value


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
