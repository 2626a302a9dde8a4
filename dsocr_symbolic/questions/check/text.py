"""What was checked, a paragraph for each file."""

from collections.abc import Sequence

from dsocr_symbolic.questions.check.checking import Checked

_NAMES = {"gpu": "GPU"}


def checks_text(checks: Sequence[Checked]) -> str:
    """Say of each file what was checked or what is wrong, and how many hold."""
    lines = [
        f"wrong: {check.wrong}" if check.wrong else f"{check.file}: {_NAMES.get(check.kind, check.kind)}, {check.says}"
        for check in checks
    ]
    wrong = sum(1 for check in checks if check.wrong)
    files = f"{len(checks)} file{'s' if len(checks) > 1 else ''}"
    held = f"{files} checked: all hold" if not wrong else f"{files} checked: {wrong} wrong"
    return "".join(f"{line}\n" for line in (*lines, held))
