"""Read formulas/proofs/: the calls in which formulas are compared with modules, as data."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.schema import BLANK, FORMULA, NAMES, Reader, entry, listed, structure, table
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files

T = TypeVar("T")


@frozen(kw_only=True)
class Given:
    """Formulas of symbols, and of what they are made of where a call says nothing else."""

    let: Mapping[str, Expression] = entry("what holds where a call says nothing else", default=BLANK)
    given: Mapping[str, Expression] = entry("the formula's symbols", key="with", default=BLANK)


@frozen(kw_only=True)
class SharedFile:
    """Settings that several calls share."""

    let: Mapping[str, Expression] = entry("what holds where a call says nothing else", default=BLANK)
    shared: Mapping[str, Given] = entry("settings by name", default=BLANK)


@frozen(kw_only=True)
class CallEntry(Given):
    """A call, or calls that stand one after the other; with a table for each column, or for all combinations."""

    use: tuple[str, ...] = entry("shared settings", NAMES, default=())
    layer: str = entry("the formula file; behind a blank, which of its variants is called", default="")
    choices: Mapping[str, str] = entry("options of the model's choices", default=BLANK)
    precisions: tuple[str, ...] = entry("plain, autocast", default=("plain",))
    at: Mapping[str, tuple[Expression, ...]] = entry("a table of values", table(listed(FORMULA)), default=BLANK)
    over: Mapping[str, tuple[Expression, ...]] = entry("values to combine", table(listed(FORMULA)), default=BLANK)
    calls: tuple[Any, ...] = entry("calls that stand one after the other", default=())


@frozen(kw_only=True)
class CallsFile:
    """Single calls that are counted."""

    uncounted: Mapping[str, str] = entry("formula files that no call stands for, and why")
    sampled: tuple[Any, ...] = entry("what dsocr verify compares besides the cells")
    corners: tuple[Any, ...] = entry("calls at sizes of 1, forward and backward")
    published: tuple[Any, ...] = entry("every layer at the published network's widths")
    training: tuple[Any, ...] = entry("calls of the whole network whose gradient step is compared")
    peaks: tuple[Any, ...] = entry("calls whose peak is compared besides")


def _axis(raw: Any, where: str) -> tuple[int, int]:
    first, stride = raw if isinstance(raw, list) else (raw, 1)
    if not isinstance(first, int) or not isinstance(stride, int):
        raise UserError(f"{where}: expected a whole number, or a first value and a stride, found {raw!r}")
    return first, stride


_AXES = table(Reader(_axis, {"type": ["integer", "array"], "items": {"type": "integer"}}))


@frozen(kw_only=True)
class CellEntry(Given):
    """A family of calls with one operator sequence, on which every count is a polynomial of the axes."""

    layer: str = entry("the formula file; behind a blank, which of its variants is called")
    name: str = entry("what is the same in all calls")
    axes: Mapping[str, tuple[int, int]] = entry("first value of each axis, or that and its stride", _AXES)
    use: tuple[str, ...] = entry("shared settings", NAMES, default=())
    autocast: tuple[str, ...] = entry("axes that vary under autocast as well", NAMES, default=())
    choices: Mapping[str, str] = entry("options of the model's choices", default=BLANK)


@frozen(kw_only=True)
class CellsFile:
    """The cells on which formulas are proven for all sizes."""

    cells: tuple[CellEntry, ...] = entry("the cells")


@frozen(kw_only=True)
class ConfigEntry:
    """A config.json that a whole network is counted at."""

    name: str = entry("what is its own")
    values: Mapping[str, Any] = entry("its content", key="set")
    backward: bool = entry("whether its gradient step is compared as well", default=True)


def _workload(raw: Any, where: str) -> tuple[int, int, int]:
    match raw:
        case [int(batch), int(prompt), int(new)]:
            return batch, prompt, new
    raise UserError(f"{where}: expected requests, tokens of a prompt and decode steps, found {raw!r}")


_WORKLOADS = listed(Reader(_workload, {"type": "array", "items": {"type": "integer"}}))
_CONFIGS = table(listed(Reader(lambda raw, where: structure(ConfigEntry, raw, where), {"$ref": ConfigEntry})))


@frozen(kw_only=True)
class NetworksFile:
    """Whole networks that are counted as transformers runs them."""

    workloads: tuple[tuple[int, int, int], ...] = entry("requests, tokens of a prompt, decode steps", _WORKLOADS)
    networks: Mapping[str, tuple[ConfigEntry, ...]] = entry("configs by model file", _CONFIGS)


@cache
def proof_file(cls: type[T], name: str) -> T:
    """Read one of the files."""
    path = data_files("formulas/proofs")[name]
    return structure(cls, read_yaml(path), str(path))
