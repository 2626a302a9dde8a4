"""Read what was measured and what was predicted of parts of the network."""

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.schema import AMOUNT, BLANK, TEXT, Reader, entries, entry, listed, structure, table
from dsocr_symbolic.measurement import prediction
from dsocr_symbolic.measurement.prediction import MODES, PredictedPart

T = TypeVar("T")
MEASURED = "dsocr measured 1"
"""The form of what dsocr measure writes."""
# Seconds or kernels beyond these are a mistake, and their ratios might be no numbers.
_LEAST, _MOST = 1e-12, 1e12


def _number(least: float) -> Callable[[Any, str], float]:
    def read(raw: Any, where: str) -> float:
        if isinstance(raw, int | float | Fraction) and not isinstance(raw, bool) and least <= raw <= _MOST:
            return float(raw)
        raise UserError(f"{where}: expected a number from {least:g} to {_MOST:g}, found {raw!r}; make the file anew")

    return read


def _mode(raw: Any, where: str) -> str:
    if raw not in MODES:
        raise UserError(f"{where}: expected one of {', '.join(MODES)}, found {raw!r}")
    return str(raw)


_AMOUNT = Reader(_number(_LEAST), {"type": "number"})
_PERHAPS = Reader(
    lambda raw, where: None if raw is None else _AMOUNT.read(raw, where),
    {"type": ["number", "null"]},
)
_PART = Reader(_number(0), {"type": "number"})
_SETTINGS = table(AMOUNT)


def known(cls: Any) -> Reader:
    """Read what a class knows of a mapping: files hold more than is compared."""

    def read(raw: Any, where: str) -> Any:
        kept = {key: value for key, value in raw.items() if key in entries(cls)} if isinstance(raw, dict) else raw
        return structure(cls, kept, where)

    return Reader(read, {"$ref": cls})


@frozen(kw_only=True)
class OperatorSeconds:
    """What one operator of one class of modules takes.

    Attributes
    ----------
    module, operator : str
        The class, and the operator's name.
    seconds : float
        How long it keeps the GPU busy [s].
    limit : str
        What limits it, of a prediction.
    """

    module: str = entry("class of the modules")
    operator: str = entry("name of the operator")
    seconds: float = entry("what it takes [s]", _PART)
    limit: str = entry("what limits it", default="")


@frozen(kw_only=True)
class PredictedCase:
    """A part of the network as the formulas say.

    Attributes
    ----------
    component, mode, settings, choices
        Which part it is.
    device_s, wall_s, lower_bound_s : float or None
        How long the GPU is busy, what a caller waits for, and what no run is below [s].
    kernels : float or None
        How many the GPU runs.
    operators : tuple of OperatorSeconds
        What the first is made of.
    """

    component: str = entry("the part's name")
    mode: str = entry("how it is launched", Reader(_mode, {"enum": list(MODES)}))
    settings: Mapping[str, int] = entry("its sizes", _SETTINGS, default=BLANK)
    choices: Mapping[str, str] = entry("its choices", table(TEXT), default=BLANK)
    device_s: float | None = entry("busy [s]", _PERHAPS, default=None)
    wall_s: float | None = entry("wall [s]", _PERHAPS, default=None)
    lower_bound_s: float | None = entry("lower bound [s]", _PERHAPS, default=None)
    kernels: float | None = entry("kernels", _PERHAPS, default=None)
    operators: tuple[OperatorSeconds, ...] = entry("by operator", listed(known(OperatorSeconds)), default=())


@frozen(kw_only=True)
class MeasuredCase:
    """A part of the network as it was measured.

    Attributes
    ----------
    component, mode, settings, choices
        Which part it is.
    device_s, device_least_s : float or None
        How long the GPU was busy in a call, their median and their least [s].
    kernels : float or None
        How many the GPU ran.
    wall_s : tuple of float
        What a caller waited for, one per round [s].
    operators : tuple of OperatorSeconds
        What a call is made of.
    error : str
        Why there is nothing else.
    """

    component: str = entry("the part's name")
    mode: str = entry("how it was launched", Reader(_mode, {"enum": list(MODES)}))
    settings: Mapping[str, int] = entry("its sizes", _SETTINGS, default=BLANK)
    choices: Mapping[str, str] = entry("its choices", table(TEXT), default=BLANK)
    device_s: float | None = entry("busy [s]", _PERHAPS, default=None)
    device_least_s: float | None = entry("least busy [s]", _PERHAPS, default=None)
    kernels: float | None = entry("kernels", _PERHAPS, default=None)
    wall_s: tuple[float, ...] = entry("wall, by round [s]", listed(_AMOUNT), default=())
    operators: tuple[OperatorSeconds, ...] = entry("by operator", listed(known(OperatorSeconds)), default=())
    error: str = entry("why it failed", default="")


@frozen(kw_only=True)
class MeasuredOn:
    """Where it was measured.

    Attributes
    ----------
    gpu : str
        Name that the driver gives the GPU.
    torch, cuda, driver, date : str
        Versions, and when.
    """

    gpu: str = entry("name of the GPU")
    torch: str = entry("version of PyTorch", default="unknown")
    cuda: str = entry("version of CUDA", default="unknown")
    driver: str = entry("version of the driver", default="unknown")
    date: str = entry("when it was measured", default="unknown")


@frozen(kw_only=True)
class MeasuredFile:
    """What dsocr measure found.

    Attributes
    ----------
    machine, rounds : MeasuredOn, int
        Where, and how often walls were taken.
    left_out : tuple of str
        What there was no time for.
    cases : tuple of MeasuredCase
        In the file's order.
    """

    machine: MeasuredOn = entry("where it was measured", known(MeasuredOn))
    rounds: int = entry("how often walls were taken", default=0)
    dry: bool = entry("whether nothing was timed", default=False)
    left_out: tuple[str, ...] = entry("what there was no time for", default=())
    cases: tuple[MeasuredCase, ...] = entry("what was measured", listed(known(MeasuredCase)))


@frozen(kw_only=True)
class PredictedFile:
    """What the formulas say of parts of the network.

    Attributes
    ----------
    machine : str
        The GPU or machine file whose constants were put in.
    cases : tuple of PredictedCase
        In the file's order.
    """

    machine: str = entry("the GPU or machine file whose constants were put in")
    cases: tuple[PredictedCase, ...] = entry("what was predicted", listed(known(PredictedCase)))


Key = tuple[str, str, tuple[tuple[str, Any], ...], tuple[tuple[str, str], ...]]


def key(case: PredictedPart | PredictedCase | MeasuredCase) -> Key:
    """Return what tells cases apart."""
    return case.component, case.mode, tuple(sorted(case.settings.items())), tuple(sorted(case.choices.items()))


def call_name(case: PredictedPart | PredictedCase | MeasuredCase) -> str:
    """Name a case among those of its component: ``batch 1, past 300, flash``; eager mode is not said."""
    sizes = [f"{name} {value}" for name, value in case.settings.items()]
    return ", ".join([*sizes, *case.choices.values(), *([] if case.mode == "eager" else [case.mode])])


def read_measured(path: Path) -> MeasuredFile:
    """Read what dsocr measure wrote.

    Raises
    ------
    UserError
        If there is no such file, or it is not one.
    """
    file = _read(path, MEASURED, MeasuredFile, "dsocr measure writes it anew")
    if file.dry:
        raise UserError(f"{path}: is of a dry run, which times nothing; run dsocr measure on a GPU")
    _check_apart(path, file.cases)
    return file


def read_predicted(path: Path) -> PredictedFile:
    """Read predictions that were written down.

    Raises
    ------
    UserError
        If there is no such file, or it is not one.
    """
    file = _read(path, prediction.SCHEMA, PredictedFile, "drop --predicted, and the formulas are evaluated now")
    _check_apart(path, file.cases)
    return file


def _read(path: Path, schema: str, cls: type[T], way_out: str) -> T:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; {way_out}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON ({error}); {way_out}") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        raise UserError(f"{path}: its schema is {found!r}, this version reads '{schema}'; {way_out}")
    read: Callable[[Any, str], T] = known(cls).read
    return read(content, str(path))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _check_apart(path: Path, cases: Iterable[PredictedCase | MeasuredCase]) -> None:
    seen: set[Key] = set()
    for case in cases:
        if key(case) in seen:
            raise UserError(f"{path}: {case.component} {call_name(case)} is there twice; keep one of them")
        seen.add(key(case))
