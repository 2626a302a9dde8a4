"""``dsocr solve``: the largest or smallest value of a symbol that meets a constraint."""

import re

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options
from dsocr_symbolic.writing.terminal import progress

# A comparison, and no option whose value is one.
_COMPARED = re.compile(r"^-[^-].*[<>=]=")
_HELP = 'The value of SYMBOL that still meets CONSTRAINT, such as "peak_memory_bytes <= capacity".'


def solve_command(definition: Definition) -> click.Command:
    """Make ``dsocr solve``."""
    arguments = [click.Argument(["symbol"]), click.Argument(["constraint"])]
    parameters = [*options.whole_options(definition), options.TIME, options.FORMAT, *arguments]
    return _Solve("solve", params=parameters, callback=lambda **given: _solve(definition, given), help=_HELP)


class _Solve(click.Command):
    """Takes a constraint that begins with a minus for what it is, and no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move such a constraint behind all options."""
        minus = [word for word in args if word.startswith("-") and _COMPARED.search(word) and "--" not in args]
        others = [word for word in args if word not in minus]
        return super().parse_args(ctx, [*others, "--", *minus] if minus else args)


def _solve(definition: Definition, given: options.Given) -> int:
    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.questions.solve.solution import solve_question
    from dsocr_symbolic.questions.solve.text import solution_text

    symbol = given["symbol"]
    scenario = options.asked_scenario(definition, given)
    if symbol in scenario.user:
        raise UserError(f"{symbol}: is solved for, and has a value in --set; drop one of them")
    question = of_scenario(scenario)
    with progress("solving"):
        solution = solve_question(question, symbol, given["constraint"], given["time"])
    about = {**question.described(), "warnings": list(solution.warnings)}
    document = {**about, "time": given["time"], "solution": options.as_data(solution)}
    return options.show(given, document, lambda: solution_text(question, solution))
