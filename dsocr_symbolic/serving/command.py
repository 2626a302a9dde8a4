"""``dsocr serve``: the analytic-model API and the explorer over HTTP."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.writing.terminal import progress

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")


def serve_command() -> click.Command:
    """Make ``dsocr serve``."""
    parameters: list[click.Parameter] = [
        click.Option(["--host"], default="127.0.0.1", metavar="ADDRESS", help="Where to listen; this machine alone."),
        click.Option(["--port"], type=click.IntRange(0, 65535), default=8080, help="Port; 8080 by default."),
        click.Option(
            ["--folder"], type=click.Path(path_type=Path), default=Path("dsocr-reports"), help="Where reports are kept."
        ),
        click.Option(
            ["--waiting"], type=click.IntRange(1, 10_000), default=32, help="Questions that may wait; 32 by default."
        ),
        click.Option(
            ["--seconds"],
            type=click.FloatRange(0.1, 3600),
            default=60.0,
            help="Time a question may take; 60 by default.",
        ),
    ]
    help_text = "Answer questions over HTTP: the analytic-model API, and the explorer as its front page."
    return click.Command("serve", params=parameters, callback=lambda **given: _serve(given), help=help_text)


def _serve(given: dict[str, Any]) -> int:
    from dsocr_symbolic.language.lookup import default_definition
    from dsocr_symbolic.questions.sweep.extras import extra
    from dsocr_symbolic.writing.files import check_folder

    for library in ("starlette", "uvicorn"):
        extra(library, "serve")
    import uvicorn

    from dsocr_symbolic.evaluation.answer import answer
    from dsocr_symbolic.scenario.scenario import make_scenario
    from dsocr_symbolic.serving.application import Limits, application

    folder: Path = given["folder"]
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with progress("building the model"):
        answer(make_scenario(definition=default_definition(None)))
    host = given["host"]
    hosts = _LOOPBACK if host in _LOOPBACK else ("*",)
    limits = Limits(waiting=given["waiting"], seconds=given["seconds"])
    click.echo(f"http://{host}:{given['port']}/ answers; reports lie in {folder}; Ctrl-C ends it")
    uvicorn.run(application(folder, limits, hosts), host=host, port=given["port"], log_level="warning")
    return 0
