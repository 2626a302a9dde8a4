"""What every server is asked in: formulas/server.yaml, its symbols, its words, and what it holds."""

from collections.abc import Iterable, Mapping
from functools import cache

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.registry import Quantity, formula_file, shared_read
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.language.schema import BLANK, FORMULA, TEXT, entry, of_symbols, records, structure, table
from dsocr_symbolic.records import frozen

# What formulas of what is held may use besides symbols.
HELD = ("weight_bytes", "activation_bytes", "kv_cache_bytes")
# What stands before a metric of one request alone in formulas of a benchmark.
ALONE = "alone_"


@frozen(kw_only=True)
class Words:
    """A server's words for a choice that model files have."""

    flags: tuple[str, ...] = entry("options of the command line")
    words: Mapping[str, str] = entry("what it calls an option; one that leaves the default is empty", table(TEXT))


@frozen(kw_only=True)
class ServerFile:
    """What a server holds, and its words."""

    summary: str = entry("what the file is", default="")
    symbols: Mapping[str, Quantity] = entry(
        "what servers are told", of_symbols(records(Quantity, group="server")), default=BLANK
    )
    choices: Mapping[str, Words] = entry("a server's words for choices", records(Words), default=BLANK)
    rules: tuple[Rule, ...] = entry("conditions on these symbols and a network's", default=())
    warnings: tuple[Rule, ...] = entry("what is doubtful of them", default=())
    holds: Mapping[str, Expression] = entry(
        "what it holds: each formula may use those above it, symbols, and bytes of weights, activations and KV cache",
        table(FORMULA),
    )
    benchmark: Mapping[str, Expression] = entry(
        "what an engine's serving benchmark says, of symbols, metrics, and metrics of one request, 'alone_'",
        table(FORMULA),
        default=BLANK,
    )


@cache
def load_server() -> ServerFile:
    """Read formulas/server.yaml; its names are checked with each model file that has a server."""
    return shared_read(lambda: structure(ServerFile, *formula_file("server.yaml")), "server.yaml")


def unknown_symbol(name: str, known: Iterable[str], place: str = "", noun: str = "symbol") -> UserError:
    """Say that a network has no such symbol, and that it lacks a server where one would bring it."""
    where = f"{place}: " if place else ""
    if name in load_server().symbols:
        return UserError(f"{where}'{name}' is a symbol of formulas/server.yaml: it needs a 'server'")
    return UserError(f"{where}unknown {noun} '{name}': {nearest(name, known)}")
