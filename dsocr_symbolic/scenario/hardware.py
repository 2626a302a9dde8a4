"""GPUs as data: one YAML file each, the datasheet's own numbers, converted to SI once."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import evolve, field

from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.language.read_objects import read_as
from dsocr_symbolic.language.schema import Reader, entry, follows, listed, structure
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files, find_file, is_ours
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.measured import HOST_SCHEMA, Constant, Measured, MeasuredHost, check_complete
from dsocr_symbolic.scenario.units import COUNTS, POSITIVE, SENTENCE, UNITS, in_si, scaled

_REQUIRED = ("cuda_fp32_tflops", "memory_bandwidth_gb_per_s")


@frozen(kw_only=True)
class OtherSource:
    """What another source says of a number.

    Attributes
    ----------
    value, source : int or float, str
        In the unit of the number's key, and where it is from.
    """

    value: int | float = entry("in the unit of the number's key", POSITIVE)
    source: str = entry("where it is from", SENTENCE)


@frozen(kw_only=True)
class Number:
    """One number of a datasheet, in SI.

    Attributes
    ----------
    key : str
        The key in the file, with the datasheet's unit: ``"tensor_bf16_tflops"``.
    unit, factor : str, Decimal
        ``FLOP/s``, ``op/s``, ``byte/s``, ``byte``, ``byte/SM``, ``Hz``, ``s``, ``W``, or ``1`` for a count; from the
        datasheet's unit to that one.
    value_si, said_si : int or float, tuple of int or float
        The value in `unit`, and all that sources say of it; an exact int if it is whole.
    """

    key: str
    unit: str
    factor: Decimal
    value: int | float = entry("in the unit of its key", POSITIVE)
    source: str = entry("where it is from: a document and its table, or a derivation", SENTENCE)
    unverified: bool = entry("whether it was recalled, inferred or disputed", default=False)
    disagree: tuple[OtherSource, ...] = entry("what other sources say of it", default=())
    value_si: int | float = field(init=False, default=follows(lambda number: scaled(number.value, number.factor)))
    said_si: tuple[int | float, ...] = field(
        init=False,
        default=follows(lambda number: tuple(scaled(s.value, number.factor) for s in (number, *number.disagree))),
    )


def _numbers(raw: Any, where: str) -> dict[str, Number]:
    if not isinstance(raw, dict):
        raise UserError(f"{where}: must map a key with its unit to {{value: ..., source: ...}}")
    numbers: dict[str, Number] = {}
    for key, content in raw.items():
        place = f"{where}: {key!r}"
        si_name, factor, unit = in_si(place, str(key))
        number = structure(Number, content, place, key=str(key), factor=factor, unit=unit)
        if si_name in numbers:
            raise UserError(f"{place} gives '{si_name}' as '{numbers[si_name].key}' does; keep one")
        numbers[si_name] = number
    for key in _REQUIRED:
        if key not in raw:
            raise UserError(f"{where}: '{key}' is missing; every GPU needs it, add its value and source")
    return numbers


_NUMBERS = {
    "type": "object",
    "patternProperties": {f"^([A-Za-z_]\\w*({'|'.join(UNITS)})|{'|'.join(COUNTS)})$": {"$ref": Number}},
    "additionalProperties": False,
    "required": list(_REQUIRED),
}


@frozen(kw_only=True)
class Gpu:
    """One GPU: dense peaks per engine, memory, clocks and links.

    Attributes
    ----------
    numbers : mapping of str to Number
        By SI name: ``tensor_bf16_flops_per_s`` [FLOP/s], ``memory_capacity_bytes`` [byte], ...
        What is missing is not known, or an engine that the GPU lacks.
    host : MeasuredHost or None
        What pages take on the host that feeds it; no file of a GPU says so but a machine file's.
    """

    name: str
    title: str = entry("the product's name", SENTENCE)
    chip: str = entry("the chip and its compute capability", SENTENCE, default="")
    numbers: Mapping[str, Number] = entry(
        "the datasheet's numbers, units at the end of keys", Reader(_numbers, _NUMBERS)
    )
    notes: tuple[str, ...] = entry("what a reader must know", listed(SENTENCE), default=())
    measured: Measured | None = entry("what dsocr calibrate found on it", default=None)
    host: MeasuredHost | None = None


def load_gpu(name: str) -> Gpu:
    """Load one GPU by name, such as ``"rtx5090"``, or by the path of a YAML file: a GPU's, or a machine file."""
    path = find_file("hardware", name, "GPU")
    return _read_gpu(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_gpu(path: Path, _changed: int) -> Gpu:
    # A machine file takes the numbers of its GPU from another one.
    return read_as("gpu", [path, *([] if is_ours(path) else data_files("hardware").values())], lambda: _made_gpu(path))


def _made_gpu(path: Path) -> Gpu:
    raw = read_yaml(path)
    if isinstance(raw, dict) and raw.get("schema") == HOST_SCHEMA:
        raise UserError(f"{path}: is a host file of dsocr calibrate --documents, no GPU; give it with --machine")
    if isinstance(raw, dict) and "schema" in raw:
        measured = structure(Measured, raw, str(path))
        check_complete(measured, str(path))
        known = data_files("hardware")
        check_known([measured.gpu], known, f"{path}: gpu", "GPU")
        return with_measured(load_gpu(measured.gpu), measured)
    gpu = structure(Gpu, raw, str(path), name=path.stem)
    return gpu if gpu.measured is None else with_measured(gpu, gpu.measured)


def with_measured(gpu: Gpu, measured: Measured) -> Gpu:
    """Return a GPU with what was measured of it among its numbers."""
    found = evolve(gpu, numbers=_with(gpu, measured.constants, measured.said), measured=measured)
    return found if measured.pages is None else with_host(found, measured.pages)


def with_host(gpu: Gpu, host: MeasuredHost) -> Gpu:
    """Return a GPU with what was measured of the host that feeds it among its numbers."""
    return evolve(gpu, numbers=_with(gpu, host.constants, host.said), host=host)


def _with(gpu: Gpu, constants: Mapping[str, tuple[str, Constant]], said: str) -> dict[str, Number]:
    numbers = dict(gpu.numbers)
    for name, (key, constant) in constants.items():
        _, factor, unit = in_si(key, key)
        numbers[name] = Number(key=key, unit=unit, factor=factor, value=constant.value, source=said)
    return numbers


def load_host(name: str) -> MeasuredHost | None:
    """Load a host file of ``dsocr calibrate --documents``; None where the file is another one, or none."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return None
    raw = read_yaml(path)
    if not isinstance(raw, dict) or raw.get("schema") != HOST_SCHEMA:
        return None
    return structure(MeasuredHost, raw, str(path))


def load_gpus() -> list[Gpu]:
    """Load every known GPU, those of ``DSOCR_PATH`` and our own, sorted by name."""
    return [load_gpu(str(path)) for path in data_files("hardware").values()]
