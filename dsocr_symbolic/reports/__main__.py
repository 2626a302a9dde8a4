"""The old door to the committed reports: it leads to ``python -m dsocr_symbolic.regenerate``."""

import sys

from dsocr_symbolic.regenerate import main

print("dsocr_symbolic.reports: this is python -m dsocr_symbolic.regenerate now", file=sys.stderr)  # noqa: T201
main()
