"""``dsocr verify`` and ``dsocr torchinfo``: how the numbers are known."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.writing.terminal import hung, progress


def _say(*lines: str) -> None:
    click.echo("\n".join(map(hung, lines)))


def _checkpoint_options() -> list[click.Parameter]:
    return [
        click.Option(["--checkpoint"], metavar="DIR", type=click.Path(path_type=Path), help="Snapshot of the network."),
        click.Option(["--trust-remote-code"], is_flag=True, help="Run the snapshot's Python files."),
        click.Option(["--out"], metavar="DIR", type=click.Path(path_type=Path), help="Write results here."),
    ]


def verify_command() -> click.Command:
    """Make ``dsocr verify``."""
    mutants = click.Option(["--mutants"], is_flag=True, help="Change every formula in every place as well.")
    model = click.Option(["--model"], metavar="NAME|FILE", help="One network alone, against transformers.")
    config = click.Option(["--config"], metavar="FILE", type=click.Path(path_type=Path), help="At this config.json.")
    return click.Command(
        "verify",
        params=[*_checkpoint_options(), mutants, model, config],
        callback=lambda **given: _verify(given),
        help="Compare every formula with real modules, to the last digit. Exit 1 if one differs.",
    )


def _check_trust(given: dict[str, Any]) -> None:
    if given["trust_remote_code"] and given["checkpoint"] is None:
        raise UserError("--trust-remote-code is of a snapshot's files; add --checkpoint DIR or drop it")


def _verify(given: dict[str, Any]) -> int:
    from dsocr_symbolic.verification.calls.requirements import importable, installed, require_torch

    _check_trust(given)
    if installed("torch") is None or not given["checkpoint"]:
        require_torch()
    importable("torch")
    from dsocr_symbolic.verification.verify import check_folder, verify, verify_checkpoint, verify_network

    if given["model"] is not None or given["config"] is not None:
        if given["checkpoint"] or given["mutants"] or given["out"]:
            raise UserError("--model and --config compare one network; drop --checkpoint, --mutants and --out")
        return verify_network(given["model"], given["config"], _say)
    out = check_folder(given["out"]) if given["out"] else None
    if given["checkpoint"]:
        if given["mutants"]:
            raise UserError("--mutants are run on the reference; drop --checkpoint")
        return verify_checkpoint(given["checkpoint"], trusted=given["trust_remote_code"], out=out, say=_say)
    return verify(out=out, mutants=given["mutants"], say=_say)


def torchinfo_command() -> click.Command:
    """Make ``dsocr torchinfo``."""
    return click.Command(
        "torchinfo",
        params=_checkpoint_options(),
        callback=lambda **given: _torchinfo(given),
        help="Classes, stages and calls of the network; checks that every layer has a formula file.",
    )


def _torchinfo(given: dict[str, Any]) -> int:
    from dsocr_symbolic.verification.calls.requirements import importable, require_torch
    from dsocr_symbolic.verification.torchinfo.run import MissingLayersError, run
    from dsocr_symbolic.writing.files import check_folder

    _check_trust(given)
    require_torch()
    for library in ("torch", "torchinfo"):
        importable(library)
    out = given["out"] or Path("reports/torchinfo")
    check_folder(out)
    try:
        with progress("running the network"):
            lines = run(out, given["checkpoint"], given["trust_remote_code"])
    except MissingLayersError as error:
        _say(*error.lines)
        return int(error.status)
    _say(*lines)
    return 0
