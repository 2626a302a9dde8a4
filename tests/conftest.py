"""Shared by all tests: the update switch of goldens, a cache folder of their own, a terminal, quick evaluation."""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dsocr_symbolic.evaluation.estimate import Estimate, estimate
from dsocr_symbolic.evaluation.program import Program, load_program
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import find_definition, layer_definition
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu
from dsocr_symbolic.scenario.values import choose, chosen_slots, load_workload, resolve

# The same examples everywhere, others on demand; a busy machine is no fault.
settings.register_profile("suite", deadline=None, derandomize="DSOCR_RANDOM" not in os.environ)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write golden files anew instead of comparing with them")
    parser.addoption("--figures", type=int, default=2, help="extreme questions to draw the figures of")
    parser.addoption("--draws", type=int, default=500, help="random draws of lower bounds, and of odd words")


# Files whose tests take longest, together or one of them: nobody waits for them at the end.
_LONGEST = (
    "verification/",
    "test_odd_words",
    "test_spreadsheet.py",
    "test_documentation",
    "test_libreoffice",
    "reference/",
    "test_performance_report",
    "test_project",
    "test_guided_flows",
    "test_lower_bound",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""

    def rank(item: pytest.Item) -> int:
        return next((place for place, name in enumerate(_LONGEST) if name in item.nodeid), len(_LONGEST))

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSOCR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("DSOCR_PATH", raising=False)
        patch.setenv("COLUMNS", "100")
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with a committed file; --update writes it."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"{path} differs; pytest --update writes it, then read the diff"
        )

    return compare


class Terminal(io.StringIO):
    """A stream that says that somebody watches."""

    def isatty(self) -> bool:
        return True


class _AtOnce:
    """A timer that waits for nothing."""

    daemon = False

    def __init__(self, _: float, start: Callable[[], object]) -> None:
        self.start = start

    def cancel(self) -> None:
        pass

    def join(self) -> None:
        pass


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show progress at once, on what is a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TTY_INTERACTIVE", raising=False)
    monkeypatch.setattr("threading.Timer", _AtOnce)


_PROGRAMS: dict[tuple[Any, ...], Program] = {}
_DETAILS: dict[tuple[Any, ...], Program] = {}


@cache
def _network() -> Definition:
    return find_definition("deepseek-ocr")


def evaluate_model(
    workload: str = "gundam",
    settings: Mapping[str, Any] | None = None,
    *,
    model: str = "deepseek-ocr",
    layer: str = "",
    gpu: str | Gpu = "rtx5090",
    waived: frozenset[str] = frozenset(),
    details: bool = False,
    **choices: str,
) -> Estimate:
    """Evaluate a workload, or one layer; programs are kept for the whole run."""
    definition = _network() if model == "deepseek-ocr" else find_definition(model)
    if layer:
        definition = layer_definition(definition, layer)
    options = choose(definition, {name.replace("_", "-"): option for name, option in choices.items()})
    slots = chosen_slots(definition, options)
    key = (model, layer, *sorted(slots.items()))
    if key not in _PROGRAMS:
        _PROGRAMS[key] = load_program(definition, slots)
    values = {**({} if layer else load_workload(definition, workload).values), **(settings or {})}
    machine = load_gpu(gpu) if isinstance(gpu, str) else gpu
    numbers = resolve(definition, options=options, settings=values, gpu=machine, waived=waived)
    if details and key not in _DETAILS:
        _DETAILS[key] = load_program(definition, slots, details=True)
    return estimate(_PROGRAMS[key], numbers, _DETAILS[key] if details else None)


def uncommented(text: str) -> str:
    """Return comma-separated values without the comment lines above them."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
