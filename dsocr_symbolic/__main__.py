"""``python -m dsocr_symbolic`` is ``dsocr``."""

from dsocr_symbolic.cli import main

main()
