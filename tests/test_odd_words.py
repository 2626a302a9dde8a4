"""Random command lines, files and documents: an answer that says all that was set, or one line; never a traceback."""

import csv
import io
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import odd_words
import pytest
import yaml
from conftest import uncommented
from test_cli import Answer, dsocr

from dsocr_symbolic.paths import data_files

# Of the draws that are asked for, one in so many is a file, as many are documents, and all others command lines.
FILES = 8
SECONDS = 60


class Late(BaseException):
    """A command takes too long; no error that a command would answer."""


@contextmanager
def in_time(words: tuple[str, ...]) -> Iterator[None]:
    """Raise where a command takes too long, in seconds of the processor."""

    def late(*_: Any) -> None:
        raise Late(f"{words} takes more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def asked(*words: str) -> Answer:
    """Run a command, and hold it to what holds of every command."""
    with in_time(words):
        answer = dsocr(*words)
    lines = answer.err.splitlines()
    assert answer.status in (0, 1, 2), (words, answer)
    assert all(said.startswith("dsocr: ") or " left out" in said or "cannot be read" in said for said in lines), (
        words,
        answer.err,
    )
    assert all(character.isprintable() for said in lines for character in said), (words, answer.err)
    mistakes = [said for said in lines if not said.startswith("dsocr: warning: ")]
    if answer.status == 2:
        assert answer.out == "", (words, answer.out)
        assert len(mistakes) == 1, (words, answer.err)
    if answer.status == 0:
        assert not [said for said in mistakes if said.startswith("dsocr: ")], (words, answer.err)
        assert answer.out, words
    return answer


def said_of_settings(words: tuple[str, ...], answer: Answer, symbols: tuple[str, ...]) -> None:
    """Check that every symbol that was set is stated, as data where the answer is data."""
    output = words[words.index("--format") + 1] if "--format" in words else "text"
    if output in ("json", "yaml"):
        document = json.loads(answer.out) if output == "json" else yaml.safe_load(answer.out)
        assert {*symbols} <= document["overridden"].keys(), words
    else:
        text = " ".join(answer.out.replace("\n#", "\n").split())
        assert [name for name in symbols if f"{name} " not in text and f"{name}=" not in text] == [], words


def the_same_in_every_format(words: tuple[str, ...]) -> None:
    """Check that totals are one answer as JSON, YAML and CSV."""
    plain = [word for place, word in enumerate(words) if not {word, words[place - 1]} & {"--format", "--by"}]
    document = json.loads(dsocr(*plain, "--format", "json").out)
    assert yaml.safe_load(dsocr(*plain, "--format", "yaml").out) | {"command": ""} == document | {"command": ""}
    (row,) = csv.DictReader(io.StringIO(uncommented(dsocr(*plain, "--format", "csv", "--by", "total").out)))
    assert {name: row[name] for name in document["total"]} == {
        name: "" if value is None else str(value) for name, value in document["total"].items()
    }


def _asked(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--draws") // 3


def test_command_lines(request: pytest.FixtureRequest) -> None:
    draws = _asked(request) * (FILES - 2) // FILES // 2
    answered = 0
    for seed in range(draws):
        line = odd_words.line(Random(seed))
        answer = asked(*line.words)
        if answer.status or "--version" in line.words or "-x" in line.words:
            continue
        answered += 1
        if line.sets:
            said_of_settings(line.words, answer, line.sets)
        if line.words[0] == "totals" and seed % 10 == 0:
            the_same_in_every_format(line.words)
    # Most lines are nearly right: what is refused does not hide what is answered.
    assert answered > draws / 4


def test_files(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    kinds = ("formulas/operators", "formulas/layers", "hardware")
    fates: set[int] = set()
    for seed in range(_asked(request) * 2 // FILES):
        random = Random(seed)
        kind = random.choice(kinds)
        name, path = random.choice(sorted(data_files(kind).items()))
        changed = tmp_path / f"{name}.yaml"
        changed.write_text(odd_words.broken(random, path.read_text(encoding="utf-8")), encoding="utf-8")
        words = ("gpus",) if kind == "hardware" and random.random() < 0.1 else ("check", str(changed))
        fates.add(asked(*words).status)
        if kind == "hardware":
            asked("totals", "--gpu", str(changed))
        changed.unlink()
    assert fates >= {0, 1}


def test_documents(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    fates: set[int] = set()
    for seed in range(_asked(request) // FILES):
        random = Random(seed)
        path = odd_words.picture(random, tmp_path)
        target = tmp_path if random.random() < 0.3 else path
        words = ("totals", "--document", str(target), "--format", random.choice(("text", "json", "csv")))
        fates.add(asked(*words).status)
        path.unlink()
    assert fates >= {0, 1}
