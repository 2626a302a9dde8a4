"""Predict what was measured, on the machine that it was measured on or on another one."""

from pathlib import Path

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.comparison.files import MeasuredFile, PredictedCase, PredictedFile, call_name, known
from dsocr_symbolic.measurement.prediction import PredictedPart, known_components, predict
from dsocr_symbolic.scenario.hardware import load_gpu, load_gpus
from dsocr_symbolic.writing.terminal import tracked


def predict_now(measured: MeasuredFile, path: Path, *, gpu: str | None, machine: str | None) -> PredictedFile:
    """Evaluate the formulas for what was measured, on a machine file, a GPU, or the GPU that it was measured on.

    Raises
    ------
    UserError
        If no constants are known of that GPU, or a size is none that the formulas take.
    """
    name = _machine(measured, path, gpu, machine)
    components = known_components()
    cases = [
        PredictedPart(component=case.component, mode=case.mode, settings=case.settings, choices=case.choices)
        for case in measured.cases
        if case.component in components
        and set(case.settings) == set((*components[case.component].eager, *components[case.component].graph)[0])
    ]
    found = (_predicted(part, name, path) for part in cases)
    return PredictedFile(machine=name, cases=tuple(tracked(found, "predicting", len(cases))))


def _predicted(part: PredictedPart, machine: str, path: Path) -> PredictedCase:
    where = f"{path}: {part.component} {call_name(part)}"
    try:
        made = predict(part, machine)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    case: PredictedCase = known(PredictedCase).read(made, where)
    return case


def _machine(measured: MeasuredFile, path: Path, gpu: str | None, machine: str | None) -> str:
    if machine is not None:
        loaded = load_gpu(machine)
        if loaded.measured is None:
            raise UserError(f"{machine}: is a GPU's file, not a machine file; give it with --gpu")
        if gpu not in (None, loaded.name):
            raise UserError(f"{machine}: was measured on {loaded.name}, --gpu names {gpu}; drop one of them")
        return machine
    if gpu is not None:
        load_gpu(gpu)
        return gpu
    device = measured.machine.gpu
    for each in load_gpus():
        if each.measured is not None and each.measured.device == device:
            return each.name
    raise UserError(f"{path}: no GPU that is known was measured as {device!r}; give --machine FILE or --gpu NAME")
