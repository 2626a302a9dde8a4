"""The door: ``dsocr`` and ``python -m dsocr_symbolic``. Ctrl-C ends it in one line, while it imports or ends, too."""


def main() -> None:
    """Run the command line."""
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


if __name__ == "__main__":
    main()
