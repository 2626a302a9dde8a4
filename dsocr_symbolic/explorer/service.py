"""What the page is told of a plan: formulas of a server in steady state as JavaScript, and what is the network's."""

from collections.abc import Mapping
from typing import Any

from attrs import asdict

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.explorer import recorded
from dsocr_symbolic.explorer.javascript import body, name_of_line, statements
from dsocr_symbolic.explorer.recorded import Book
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.files.service_file import System, load_service
from dsocr_symbolic.questions.plan.choosing import Wishes
from dsocr_symbolic.questions.plan.demand import SPREAD
from dsocr_symbolic.questions.plan.planning import MOST
from dsocr_symbolic.questions.plan.steps import BATCHES, WALL, stages_of
from dsocr_symbolic.questions.plan.workloads import chunk_settings, chunk_symbols
from dsocr_symbolic.scenario.scenario import make_scenario

# What a chunk of a prompt is given by: the tokens before it, and its own.
_START, _TOKENS = "chunk_start", "chunk_size"


def service_data(definition: Definition) -> dict[str, Any] | None:
    """Lay out what a plan takes, JSON-ready; None of a network that no plan is made for."""
    service, roles = load_service(), definition.roles
    try:
        stages = stages_of(definition)
    except UserError:
        return None
    if not (roles.batch and roles.prompt_tokens and roles.new_tokens):
        return None
    return {
        "stages": {name: sorted(of) for name, of in asdict(stages).items()},
        "metric": WALL,
        "batches": [*(batch for batch in BATCHES if batch < MOST), MOST],
        "spread": SPREAD,
        "utilisation": Wishes().utilisation,
        "enough": service.enough,
        "trusted": {name: getattr(service.knee, name) for name in ("busy", "load", "full")},
        "has_pool": definition.server is not None,
        "chunk_symbols": sorted(chunk_symbols(definition)),
        "chunks": _chunks(definition),
        "inputs": list(service.inputs),
        "unknown": {"closed": service.closed.unknown, "open": service.open.unknown},
        "averages": list(service.open.averages),
        "formulas": {
            **_system("closed", service.closed),
            **_system("open", service.open),
            "knee": assigned({"knee": service.knee.concurrency}),
            "fleet": assigned({name: term.formula for name, term in service.fleet.terms.items()}),
        },
    }


def _system(name: str, system: System) -> dict[str, str]:
    """Print a system: where it begins, its states if it has any, what follows, and what becomes of the unknown."""
    found = {
        f"{name}_begins": assigned({system.unknown: system.begins}),
        f"{name}_terms": assigned({term: relation.formula for term, relation in system.terms.items()}),
        f"{name}_becomes": assigned({"becomes": system.becomes}),
    }
    if system.ratio is None or system.beyond is None:
        return found
    if moving := [term for term, each in system.averages.items() if system.unknown in names(each.formula)]:
        raise ValueError(f"service.yaml: {name}: averages: {moving[0]}: the page takes averages of what is known alone")
    averages = {term: relation.formula for term, relation in system.averages.items()}
    return {
        **found,
        f"{name}_beyond": assigned({"further": system.beyond}),
        f"{name}_ratio": assigned({"ratio": system.ratio}),
        f"{name}_averages": assigned(averages),
    }


def assigned(formulas: Mapping[str, Expression]) -> str:
    """Print formulas as the body of a function of ``v``, which gets their values; each may use those above it."""
    book, scope = Book(), dict[str, Any]()
    used: dict[str, str] = {}
    for name, formula in formulas.items():
        for symbol in sorted(names(formula) - scope.keys()):
            scope[symbol], used[symbol] = book.symbol(symbol), f"v.{symbol}"
        scope[name] = evaluate(formula, scope, recorded)
    lines, shown = statements(book, [book.place(scope[name]) for name in formulas], used)
    declared = ",".join(f"{name_of_line(place)}={text}" for place, text in enumerate(lines))
    given = ";".join(f"v.{name}={text}" for name, text in zip(formulas, shown, strict=True))
    return f"const {declared};{given}" if declared else given


def _chunks(definition: Definition) -> dict[str, dict[str, str]]:
    """Print what a server's forward of the first chunk of a prompt sets, and what that of a later one does."""
    book, scenario = Book(), make_scenario(definition=definition)
    symbols: dict[str, Any] = {name: book.symbol(name) for name in (*definition.quantities, _START, _TOKENS)}
    read = {name: f'g("{name}")' for name in symbols}

    def printed(start: Any) -> dict[str, str]:
        settings = chunk_settings(scenario, symbols, start, symbols[_TOKENS])
        return {name: body(book, value, read) for name, value in settings.items()}

    return {"first": printed(0), "later": printed(symbols[_START])}
