"""Whether a mutant of any other file says the same: equal data, formulas equal on random draws."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any

from attrs import fields, has

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.model_parts import Option
from dsocr_symbolic.language.registry import METRICS, WHOLE, Quantity, Term, load_machine
from dsocr_symbolic.language.schema import structure
from dsocr_symbolic.python_api import load_model
from dsocr_symbolic.verification.mutants.keys import root
from dsocr_symbolic.verification.mutants.mutants import Mutant, content_of


def says_the_same(mutant: Mutant, draws: int) -> bool:
    """Read both files, and compare all that they hold."""
    try:
        before, after = (_read(mutant, raw) for raw in (content_of(mutant.file), mutant.content))
    except UserError:
        return False
    return _same(before, after, draws)


def _read(mutant: Mutant, raw: Any) -> Any:
    named = {"name": "", "file": ""} if mutant.kind == "model" else {}
    return METRICS.read(raw, "") if mutant.kind == "metrics" else structure(root(mutant.kind), raw, "", **named)


def _same(before: Any, after: Any, draws: int) -> bool:
    match before, after:
        case Expression(), Expression():
            return before.text == after.text or _equal(before, after, draws)
        case Quantity(), Quantity() if before.extreme and (before.extreme, sorted(before.gpu)) == (
            after.extreme,
            sorted(after.gpu),
        ):
            # The largest of several has no order.
            skipped: tuple[str, ...] = ("gpu",)
        case Option(), Option():
            known = load_machine()
            ways = [
                {name: sorted(keys) if known[name].extreme else keys for name, keys in option.gpu.items()}
                for option in (before, after)
            ]
            if ways[0] != ways[1]:
                return False
            skipped = ("gpu",)
        case Quantity(), Quantity() if not (before.gpu or after.gpu):
            # Without a number of the GPU a value is its formula.
            skipped = ("value",)
        case Term(), Term():
            return _same_term(before, after, draws)
        case Mapping(), Mapping():
            keys = before.keys() == after.keys()
            return keys and all(_same(value, after[name], draws) for name, value in before.items())
        case Sequence(), Sequence() if not isinstance(before, str):
            return len(before) == len(after) and all(_same(*pair, draws) for pair in zip(before, after, strict=True))
        case _ if not has(type(before)):
            return bool(before == after)
        case _:
            skipped = ()
    own = [field.name for field in fields(type(before)) if field.name not in skipped]
    return type(before) is type(after) and all(_same(getattr(before, n), getattr(after, n), draws) for n in own)


def _same_term(before: Term, after: Term, draws: int) -> bool:
    """Compare metrics of parts at random pages."""
    if (before.metric, sorted(before.paths)) == (after.metric, sorted(after.paths)):
        return True
    random, model = Random(0), load_model("deepseek-ocr")  # noqa: S311 - draws, no secrets
    axes = {
        **{name: [random.randint(1, 40) for _ in range(draws)] for name in ("batch", "new_tokens", "text_tokens")},
        "base_size": [64 * random.randint(1, 20) for _ in range(draws)],
    }
    sums: list[Any] = []
    for term in (before, after):
        function = model.compile(term.metric, list(axes), by=[path or WHOLE for path in term.paths], check=False)
        sums.append(sum(function(**axes)[term.metric].values()))
    return bool((sums[0] == sums[1]).all())


def _equal(before: Expression, after: Expression, draws: int) -> bool:
    random, symbols = Random(0), sorted(names(before) | names(after))  # noqa: S311 - draws, no secrets
    for _ in range(draws):
        scope = {name: random.choice((random.randint(0, 12), Fraction(random.randint(0, 99), 7))) for name in symbols}
        results = []
        for formula in (before, after):
            try:
                results.append(evaluate(formula, scope, arithmetic))
            except (ArithmeticError, ValueError):
                results.append(None)
        if results[0] != results[1]:
            return False
    return True
