"""``dsocr compare``: scenarios against a baseline."""

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options
from dsocr_symbolic.writing.terminal import progress

_HELP = "Compare SCENARIOS, each KEY=VALUE,KEY=VALUE or a YAML file, with the first; options hold for all."


def compare_command(definition: Definition) -> click.Command:
    """Make ``dsocr compare``."""
    scenarios = click.Argument(["scenarios"], nargs=-1)
    parameters = [*options.whole_options(definition), options.TIME, options.METRICS, options.FORMAT, scenarios]
    return options.command(definition, "compare", _compare, parameters, _HELP)


def _compare(definition: Definition, given: options.Given) -> int:
    from attrs import asdict

    from dsocr_symbolic.questions.compare.comparison import METRICS, compare_with
    from dsocr_symbolic.questions.compare.text import comparison_text
    from dsocr_symbolic.scenario.scenario import doubts, read_scenario

    base = options.asked_scenario(definition, given)
    with progress("comparing"):
        comparison = compare_with(base, given["scenarios"], given["metrics"] or METRICS, given["time"])
    warnings = list(comparison.warnings)
    for text in given["scenarios"]:
        name, scenario = read_scenario(text, base)
        options.doubt(f"{name}: {doubt}" for doubt in doubts(scenario) if doubt not in doubts(base))
    typed = base.command or None
    document = {"time": given["time"], "command": typed, "warnings": warnings, "comparison": asdict(comparison)}
    return options.show(given, document, lambda: comparison_text(comparison, typed))
