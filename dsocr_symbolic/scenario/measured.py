"""What was measured of a GPU: constants of the time formulas, as ``dsocr calibrate`` writes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.schema import BLANK, NAMES, TEXT, Reader, entry, structure
from dsocr_symbolic.language.time_formula import measured_symbols
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.units import NOT_NEGATIVE, POSITIVE, SENTENCE, in_si

SCHEMA, HOST_SCHEMA = "dsocr machine 1", "dsocr host 1"


def _schema(wanted: str) -> Reader:
    def read(raw: Any, where: str) -> str:
        if raw != wanted:
            raise UserError(f"{where} is {raw!r}, this version reads '{wanted}'; run dsocr calibrate again")
        return wanted

    return Reader(read, {"const": wanted})


@frozen(kw_only=True)
class Constant:
    """One constant.

    Attributes
    ----------
    value, records : int or float, tuple of str
        In the unit of its key, and the measurements that fix it.
    """

    value: int | float = entry("in the unit of its key; 0 where nothing was to be seen", NOT_NEGATIVE)
    records: tuple[str, ...] = entry("names of the measurements that fix it", NAMES)


@frozen(kw_only=True)
class Residual:
    """How far the formulas of a class are from its measurements.

    Attributes
    ----------
    records, mean, worst : int, float, float
        How many, and their errors as parts of what was measured.
    """

    records: int = entry("how many measurements")
    mean: float = entry("mean error, a part of what was measured")
    worst: float = entry("largest error")


@frozen(kw_only=True)
class LaunchCost:
    """What the host needed for a step of ordinary code.

    Attributes
    ----------
    launches, quietest, slowest : int, float, float
        Operators launched, and seconds of the quietest and of the slowest round.
    """

    launches: int = entry("operators that were launched")
    quietest: float = entry("seconds of the quietest round", POSITIVE)
    slowest: float = entry("seconds of the slowest round", POSITIVE)


def _constants(raw: Any, where: str) -> dict[str, tuple[str, Constant]]:
    if not isinstance(raw, dict):
        raise UserError(f"{where}: must map a key with its unit to {{value: ..., records: ...}}")
    constants: dict[str, tuple[str, Constant]] = {}
    for key, content in raw.items():
        place = f"{where}: {key!r}"
        constants[in_si(place, str(key))[0]] = (str(key), structure(Constant, content, place))
    return constants


@frozen(kw_only=True)
class MeasuredHost:
    """What ``dsocr calibrate --documents`` found of pages on a host.

    Attributes
    ----------
    processor, date, pillow, pdfium, torch, command : str
        Where, when, with what, and how it was measured.
    constants : mapping of str to (str, Constant)
        By SI name, each with its key in the file.
    """

    schema: str = entry("the form of the file", _schema(HOST_SCHEMA))
    command: str = entry("the command that wrote it", SENTENCE)
    processor: str = entry("the processor's name", SENTENCE)
    date: str = entry("when it was measured", Reader(lambda raw, _: str(raw), TEXT.form))
    pillow: str = entry("version of Pillow", SENTENCE)
    pdfium: str = entry("version of pypdfium2", SENTENCE)
    torch: str = entry("version of PyTorch", SENTENCE)
    constants: Mapping[str, tuple[str, Constant]] = entry(
        "constants of formulas/time/host, units at the end of keys", Reader(_constants, {"type": "object"})
    )
    classes: Mapping[str, Residual] = entry("residuals of each group of pages", default=BLANK)
    seconds: Mapping[str, float] = entry("what was measured, by page, in seconds of one core", default=BLANK)
    errors: Mapping[str, float] = entry("what the formulas give over that, less 1", default=BLANK)

    @property
    def said(self) -> str:
        """Say where its numbers are from."""
        return f"measured on {self.processor}, {self.date}, Pillow {self.pillow}, pypdfium2 {self.pdfium}"


@frozen(kw_only=True)
class Measured:
    """What ``dsocr calibrate`` found on a GPU.

    Attributes
    ----------
    gpu, device : str
        The file in hardware/, and the name that the driver gives it.
    date, torch, cuda, driver, command : str
        When, with what, and how it was measured.
    constants : mapping of str to (str, Constant)
        By SI name, each with its key in the file.
    classes, host : mapping of str to Residual, to LaunchCost
        Residuals of each class of kernels; what launches cost, by kind of code.
    """

    schema: str = entry("the form of the file", _schema(SCHEMA))
    gpu: str = entry("the file in hardware/ that has its datasheet")
    device: str = entry("the name that the driver gives it", SENTENCE)
    date: str = entry("when it was measured", Reader(lambda raw, _: str(raw), TEXT.form))
    torch: str = entry("version of PyTorch", SENTENCE)
    cuda: str = entry("version of CUDA", SENTENCE)
    driver: str = entry("version of the driver", SENTENCE)
    command: str = entry("the command that wrote it", SENTENCE)
    constants: Mapping[str, tuple[str, Constant]] = entry(
        "constants of the time formulas, units at the end of keys", Reader(_constants, {"type": "object"})
    )
    classes: Mapping[str, Residual] = entry("residuals of each class of kernels", default=BLANK)
    host: Mapping[str, LaunchCost] = entry("what launches cost on the host, by kind of code", default=BLANK)
    seconds: Mapping[str, float] = entry("what was measured, by record", default=BLANK)
    errors: Mapping[str, float] = entry("what the formulas give over that, less 1", default=BLANK)
    pages: MeasuredHost | None = entry("what pages take on its host, as dsocr calibrate --documents", default=None)

    @property
    def said(self) -> str:
        """Say where its numbers are from."""
        return f"measured on {self.device}, {self.date}, torch {self.torch}, CUDA {self.cuda}, driver {self.driver}"


def check_complete(measured: Measured, where: str) -> None:
    """Refuse a machine file without a constant that kernels take; of a GPU's file no forecast is made then."""
    for name in sorted(measured_symbols()[0]):
        keys = load_machine()[name].gpu
        if not any(key in measured.constants for key in keys):
            raise UserError(f"{where}: constants: {keys[0]} ({name}) is missing; run dsocr calibrate again")


def versions_apart(measured: Measured) -> Iterable[str]:
    """Say where what is installed is not what was measured."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("torch").partition("+")[0]
    except PackageNotFoundError:
        return
    if installed != measured.torch.partition("+")[0]:
        yield (
            f"measured with torch {measured.torch}, here torch {installed} is installed; "
            "run dsocr calibrate again for seconds of this one"
        )
