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
    left = sum(1 for check in checks if not check.evaluated)
    held = (
        f"{files} checked: " + (f"{wrong} wrong" if wrong else "all hold") + (f", {left} not evaluated" if left else "")
    )
    return "".join(f"{line}\n" for line in (*lines, held))
