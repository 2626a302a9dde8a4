"""GPUs as data: one YAML file each, the datasheet's own numbers, converted to SI once."""

from collections.abc import Mapping
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

from attrs import define

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files, find_file

# Unit suffix of a key in the file -> suffix of the SI name, factor, SI unit.
_UNITS = {
    "_tflops": ("_flops_per_s", Decimal("1e12"), "FLOP/s"),
    "_tops": ("_ops_per_s", Decimal("1e12"), "op/s"),
    "_gops": ("_ops_per_s", Decimal("1e9"), "op/s"),
    "_gb_per_s": ("_bytes_per_s", Decimal("1e9"), "byte/s"),
    "_gib": ("_bytes", Decimal(2**30), "byte"),
    "_gb": ("_bytes", Decimal("1e9"), "byte"),
    "_mib": ("_bytes", Decimal(2**20), "byte"),
    "_mb": ("_bytes", Decimal("1e6"), "byte"),
    "_kib": ("_bytes", Decimal(2**10), "byte"),
    "_kib_per_sm": ("_bytes_per_sm", Decimal(2**10), "byte/SM"),
    "_mhz": ("_hz", Decimal("1e6"), "Hz"),
    "_us": ("_s", Decimal("1e-6"), "s"),
    "_w": ("_w", Decimal(1), "W"),
}


_COUNTS = ("streaming_multiprocessors",)  # listed, so that a misspelt unit is not taken for no unit


_REQUIRED = ("tensor_bf16_tflops", "cuda_fp32_tflops", "memory_bandwidth_gb_per_s")


@define(kw_only=True, frozen=True)
class Number:
    """One number of a datasheet, in SI.

    Attributes
    ----------
    key : str
        The key in the file, with the datasheet's unit: ``"tensor_bf16_tflops"``.
    value_si : int or float
        The value in `unit`; an exact int if it is whole.
    unit : str
        ``FLOP/s``, ``op/s``, ``byte/s``, ``byte``, ``byte/SM``, ``Hz``, ``s``, ``W``, or ``1`` for a count.
    source : str
        Where the number is from: a document and its table, or a derivation.
    unverified : bool
        Whether the number was recalled, inferred or disputed rather than read in its source.
    """

    key: str
    value_si: int | float
    unit: str
    source: str
    unverified: bool


@define(kw_only=True, frozen=True)
class Gpu:
    """One GPU: dense peaks per engine, memory, clocks and links.

    Attributes
    ----------
    name : str
        The file's stem, as the command line knows it.
    title : str
        The product name.
    chip : str
        The chip and its compute capability; empty if the file gives none.
    numbers : mapping of str to Number
        By SI name: ``tensor_bf16_flops_per_s`` [FLOP/s], ``memory_capacity_bytes`` [byte], ...
        What is missing is not known, or an engine that the GPU lacks.
    notes : tuple of str
        What a reader must know: conflicts between sources, exceptions, marketing traps.
    """

    name: str
    title: str
    chip: str
    numbers: Mapping[str, Number]
    notes: tuple[str, ...]


def load_gpu(name: str) -> Gpu:
    """Load one GPU.

    Parameters
    ----------
    name : str
        A known name such as ``"rtx5090"``, or the path of a YAML file.

    Returns
    -------
    Gpu
        All its numbers in SI.

    Raises
    ------
    UserError
        If there is no such GPU, or its file breaks a rule.
    """
    return _gpu(find_file("hardware", name, "GPU"))


def load_gpus() -> list[Gpu]:
    """Load every known GPU: those of ``DSOCR_PATH`` and our own.

    Returns
    -------
    list of Gpu
        Sorted by name, all numbers in SI.

    Raises
    ------
    UserError
        If two files share a name, or a file breaks a rule.
    """
    return [_gpu(path) for path in data_files("hardware").values()]


def _gpu(path: Path) -> Gpu:
    data = _mapping(str(path), read_yaml(path), required=("title", "numbers"), optional=("chip", "notes"))
    entries = data["numbers"]
    if not isinstance(entries, dict):
        raise UserError(f"{path}: numbers: must map a key with its unit to {{value: ..., source: ...}}")
    numbers: dict[str, Number] = {}
    for key, entry in entries.items():
        si_name, number = _number(f"{path}: numbers: {key!r}", str(key), entry)
        if si_name in numbers:
            raise UserError(f"{path}: numbers: {key!r} gives '{si_name}' as '{numbers[si_name].key}' does; keep one")
        numbers[si_name] = number
    for key in _REQUIRED:
        if key not in entries:
            raise UserError(f"{path}: numbers: '{key}' is missing; every GPU needs it, add its value and source")
    notes = data.get("notes", [])
    if not isinstance(notes, list):
        raise UserError(f"{path}: notes: must be a list of sentences")
    return Gpu(
        name=path.stem,
        title=_text(f"{path}: title", data["title"]),
        chip=_text(f"{path}: chip", data["chip"]) if "chip" in data else "",
        numbers=numbers,
        notes=tuple(_text(f"{path}: notes", note) for note in notes),
    )


def _number(where: str, key: str, entry: Any) -> tuple[str, Number]:
    """Return the SI name and the number of one entry."""
    si_name, factor, unit = _si(where, key)
    data = _mapping(where, entry, required=("value", "source"), optional=("unverified",))
    value, source = _scaled(where, data["value"], factor), _text(f"{where}: source", data["source"])
    unverified = data.get("unverified", False)
    if not isinstance(unverified, bool):
        raise UserError(f"{where}: unverified is {unverified!r}; write true, or leave it out")
    return si_name, Number(key=key, value_si=value, unit=unit, source=source, unverified=unverified)


def _si(where: str, key: str) -> tuple[str, Decimal, str]:
    """Return the SI name, the factor to SI and the SI unit of a key."""
    if key in _COUNTS:
        return key, Decimal(1), "1"
    for suffix, (si_suffix, factor, unit) in _UNITS.items():
        stem = key.removesuffix(suffix)
        if stem != key and stem.isidentifier():
            return stem + si_suffix, factor, unit
    raise UserError(f"{where} has no known unit; end it in {', '.join(_UNITS)} (counts: {', '.join(_COUNTS)})")


def _scaled(where: str, value: Any, factor: Decimal) -> int | float:
    """Convert to SI in decimal: 209.5 TFLOPS is the int 209500000000000, not a rounded float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise UserError(f"{where}: value is {value!r}; write a positive number, its unit stands in the key")
    exact = Decimal(repr(value)) * factor
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _mapping(where: str, data: Any, *, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
    """Return a mapping that has every required key and no unknown one."""
    known = required + optional
    if not isinstance(data, dict):
        raise UserError(f"{where}: must be a mapping with the keys {', '.join(required)}")
    for key in data:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")
    for key in required:
        if key not in data:
            raise UserError(f"{where}: '{key}' is missing; add it")
    return data


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where} is {value!r}; write a sentence")
    return value
