"""Static analysis of the network: its unique layers, its stages and who calls whom.

TorchInfo's table is shown as it is. Counts are ours: modules from the module tree, calls from a forward.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.verification.torchinfo.analysis import Analysis
from dsocr_symbolic.verification.torchinfo.reports import write_reports

if TYPE_CHECKING:
    from torch import nn


class MissingLayersError(UserError):
    """The check failed; the reports are written all the same.

    Attributes
    ----------
    lines : list of str
        What was written, then each layer that is missing.
    status : int
        The command's exit code.
    """

    status = 1

    def __init__(self, lines: list[str], problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.lines = [*lines, *problems]


def analyse(network: "nn.Module") -> Analysis:
    """Analyse a network on the meta device.

    Parameters
    ----------
    network : nn.Module
        The reference, which is run, or a checkpoint's modules, which are only looked at.

    Returns
    -------
    Analysis
        Without stages and calls for a network that is not the reference.
    """
    import torch

    from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM
    from dsocr_symbolic.verification.torchinfo import structure
    from dsocr_symbolic.verification.torchinfo.calls import record_forwards
    from dsocr_symbolic.verification.torchinfo.torchinfo_numbers import torchinfo_numbers

    forwards = record_forwards(network) if isinstance(network, DeepseekOCRForCausalLM) else ()
    classes = structure.classes_of(network, forwards)
    return Analysis(
        source="reference" if forwards else "checkpoint",
        torch_version=str(torch.__version__).partition("+")[0],
        parameters=sum(each.numel() for each in network.parameters()),
        layers=structure.unique_layers(network, classes),
        stages=structure.stages(forwards, classes) if forwards else (),
        edges=structure.edges(forwards, classes),
        torchinfo=torchinfo_numbers(network, forwards[0] if forwards else None),
    )


def run(out: Path, checkpoint: Path | None = None, trust_remote_code: bool = False) -> list[str]:
    """Write the reports and check that every layer has a formula.

    Parameters
    ----------
    out : Path
        Folder for the reports.
    checkpoint : Path or None
        Snapshot whose modules are analysed; the reference if None.
    trust_remote_code : bool
        Whether the snapshot's code may be executed.

    Returns
    -------
    list of str
        Lines to print: files and the result of the check, or what would be executed.

    Raises
    ------
    MissingLayersError
        If a layer has no formula file, or one is missing that the network has; the reports are written.
    UserError
        If torch or torchinfo is missing, or a checkpoint cannot be loaded.
    """
    from dsocr_symbolic.verification.torchinfo.check import KNOWN, missing

    _need_libraries()
    if checkpoint is not None and not trust_remote_code:
        return _plan(checkpoint)
    analysis = analyse(_reference() if checkpoint is None else _loaded(checkpoint))
    lines = [f"wrote {path}" for path in write_reports(analysis, out)]
    problems = missing(analysis)
    if problems:
        raise MissingLayersError(lines, problems)
    return [
        *lines,
        f"{len(analysis.layers)} unique layers, {analysis.parameters:,} parameters",
        f"check passed: all {len(KNOWN)} known layers are there; all but ModuleList and Sequential have a formula file",
    ]


def _need_libraries() -> None:
    from importlib.util import find_spec

    absent = [name for name in ("torch", "torchinfo") if find_spec(name) is None]
    if absent:
        raise UserError(f"torchinfo: needs {' and '.join(absent)}; pip install 'dsocr_symbolic[verify]'")


def _reference() -> "nn.Module":
    from dsocr_symbolic.verification.reference.build import build

    return build()


def _loaded(folder: Path) -> "nn.Module":
    from dsocr_symbolic.verification.checkpoint.calls import load_network

    return load_network(folder)


def _plan(folder: Path) -> list[str]:
    from dsocr_symbolic.verification.checkpoint.snapshot import checkpoint_plan

    return checkpoint_plan(folder)
