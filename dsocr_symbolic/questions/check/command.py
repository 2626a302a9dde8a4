"""``dsocr check``: do files hold what they say."""

from pathlib import Path

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options

_HELP = (
    "Load FILES, YAML files or folders of them, evaluate their examples, and say what was checked; of a config.json "
    "say whose network it is, what was read, and what is not counted. Without FILES "
    "those of DSOCR_PATH. Exit 1 if one is wrong."
)


def check_command(definition: Definition) -> click.Command:
    """Make ``dsocr check``."""
    files = click.Argument(["files"], nargs=-1, type=click.Path(path_type=Path))
    return options.command(definition, "check", _check, [options.MODEL, options.FORMAT, files], _HELP)


def _check(definition: Definition, given: options.Given) -> int:
    from attrs import asdict

    from dsocr_symbolic.questions.check.checking import check_files
    from dsocr_symbolic.questions.check.text import checks_text

    checks = check_files(given["files"], definition)
    warnings = [warning for check in checks for warning in check.warnings]
    files = [{name: value for name, value in asdict(check).items() if name != "warnings"} for check in checks]
    wrong = sum(1 for check in checks if check.wrong)
    options.show(given, {"warnings": warnings, "wrong": wrong, "files": files}, lambda: checks_text(checks))
    return 1 if wrong else 0
