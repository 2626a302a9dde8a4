"""Run ``dsocr`` as a user does: the installed command, or the package of this very Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def dsocr(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command, say so, and return what it printed."""
    words = [str(each) for each in arguments]
    print("$ dsocr", *words)
    beside = Path(sys.executable).parent / "dsocr"
    installed = str(beside) if beside.is_file() else shutil.which("dsocr")
    start = [installed] if installed else [sys.executable, "-c", "from dsocr_symbolic.cli import main; main()"]
    return subprocess.run(
        [*start, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def check(true: bool, what: str) -> None:
    """Say that something holds, or end with exit code 1."""
    print("  ok" if true else "  FAILED", what)
    if not true:
        sys.exit(1)
