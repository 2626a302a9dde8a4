"""The door: ``dsocr`` and ``python -m dsocr_symbolic``. Ctrl-C ends it in one line, while it imports or ends, too."""

import gc

# Objects made between two looks of the garbage collector: a start makes a great many that stay.
_SELDOM = 200_000


def main() -> None:
    """Run the command line."""
    gc.set_threshold(_SELDOM, *gc.get_threshold()[1:])
    try:
        from dsocr_symbolic.cli import main as run

        run()
    except KeyboardInterrupt:
        # One that the command line could not see: before it was imported, or while it was ending.
        import sys

        sys.stderr.write("dsocr: interrupted\n")
        sys.exit(130)
    finally:
        # Another Ctrl-C has nothing left to end but the interpreter, which would answer with a traceback.
        from signal import SIG_IGN, SIGINT, signal

        signal(SIGINT, SIG_IGN)
        # What is left goes with the process; looking through it once more takes a tenth of a start.
        gc.freeze()


if __name__ == "__main__":
    main()
