"""JSON Schemas of YAML files: generated, true of every file we ship, and of one mind with the readers."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import NOTHING, fields
from jsonschema import Draft202012Validator
from test_cli import assert_refused, dsocr

from dsocr_symbolic.cli import capture
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.registry import METRICS
from dsocr_symbolic.language.schema import entries, structure
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.scenario.schema_files import FORMS, schema, schema_files

ROOT = PACKAGE.parent
FOLDER = ROOT / "formulas" / "schema"
FILES = sorted([*ROOT.glob("formulas/**/*.yaml"), *ROOT.glob("hardware/*.yaml")])
KIND_OF_FOLDER = {
    "operators": "operator",
    "models": "model",
    "bounds": "bounds",
    "time": "time",
    "device": "time",
    "host": "time",
    "hardware": "gpu",
}


def _kind(path: Path) -> str:
    relative = path.relative_to(ROOT).parts
    if relative[:2] == ("formulas", "layers"):
        return "layer"
    if path.parent.name == "models" and "extends" in read_yaml(path):
        return "extension"
    if path.parent.name == "calibration" and path.stem == "served":
        return "components"
    return KIND_OF_FOLDER.get(path.parent.name, path.stem)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(schema(kind))


def _read(kind: str, raw: Any) -> Any:
    """Read what a file holds as its kind, with something in the place of what the file does not say."""
    if kind == "metrics":
        return METRICS.read(raw, "file")
    cls: Any = FORMS[kind]["$ref"]
    said = [place for place, _ in entries(cls).values()]
    more = {place.name: "x" for place in fields(cls) if place not in said and place.default is NOTHING}
    return structure(cls, raw, "file", **more)


def _refusal(kind: str, raw: Any) -> str:
    said = ""
    try:
        _read(kind, raw)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert said == "" or said.startswith("file: ")
    return said


def test_committed_schemas_are_what_the_code_generates() -> None:
    stale = "run python -m dsocr_symbolic.regenerate"
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*")} == schema_files(), stale


@pytest.mark.parametrize("kind", FORMS)
def test_a_schema_is_one_and_explains_every_key(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))
    objects = [schema(kind), *schema(kind).get("$defs", {}).values()]
    for each in objects:
        assert each.get("description") or kind == "metrics"
        for name, key in each.get("properties", {}).items():
            assert len(key["description"]) > 5, name


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_file_names_its_schema_and_keeps_to_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named, first
    file = (path.parent / named[1]).resolve()
    assert file == FOLDER / f"{_kind(path)}.json"
    Draft202012Validator(json.loads(file.read_text(encoding="utf-8"))).validate(read_yaml(path))


SAMPLES: dict[str, Any] = {
    "operator": read_yaml(ROOT / "formulas/operators/linear.yaml"),
    "operator of a family": read_yaml(ROOT / "formulas/operators/reduce.yaml"),
    "layer": read_yaml(ROOT / "formulas/layers/decoder/deepseek_v2_model.yaml"),
    "layer with guards": read_yaml(ROOT / "formulas/layers/decoder/experts_loop.yaml"),
    "model": {
        "summary": "a network of one layer",
        "constants": {"width": {"value": 3, "letter": "D", "meaning": "width", "config": "hidden", "least": 2}},
        "workload": {"tokens": {"value": 2, "letter": "T", "meaning": "tokens"}},
        "derived": {"rows": {"formula": "tokens*2", "letter": "R", "meaning": "rows", "real": True}},
        "config": {"use_mla": False},
        "rules": [{"require": "tokens > 0", "say": "tokens is {tokens}", "waived_by": "any"}],
        "choices": {
            "kernel": {
                "summary": "kernel",
                "default": "fast",
                "options": {
                    "fast": {"slots": {"a": "b"}, "symbols": {"weight": "1/2"}, "gpu": {"tensor_core_peak": "x"}}
                },
            }
        },
        "workloads": {"small": {"summary": "small", "document": "native", "set": {"tokens": 1}}},
        "default_workload": "small",
        "phases": ["only"],
        "latencies": {"ttft": "only"},
        "children": {"only": {"use": "mine", "repeat": {"over": "step", "last": "tokens"}, "with": {"width": None}}},
    },
    "bounds": {
        "summary": "bounds",
        "ridge_points": {"cores": {"summary": "cores", "value": "a/b", "unit": "FLOP/byte"}},
        "bounds": {
            "one": {
                "summary": "one",
                "vary": "batch",
                "set": {"tokens": 1},
                "waive": ["any"],
                "terms": {"cache": {"metric": "forward_io_bytes", "of": ["decode", "total"]}},
                "left": "cache",
                "right": 1,
                "tells": {"batch": None},
            }
        },
    },
    "conventions": {
        "summary": "what is counted",
        "statements": ["a multiply-add is 2"],
        "categories": ["linear"],
        "symbols": {"fp32": {"letter": "b", "meaning": "bytes", "value": 4, "fixed": True}},
    },
    "machine": {
        "summary": "numbers",
        "symbols": {"peak": {"letter": "P", "meaning": "peak", "gpu": ["a", "b"], "zero": True, "formula": "2"}},
    },
    "metrics": {
        "flops": {
            "kind": "flow",
            "unit": "FLOP",
            "latex": "F",
            "definition": "all",
            "formula": "a + b",
            "reason": "why",
        }
    },
    "time": read_yaml(ROOT / "formulas/time/roofline.yaml"),
    "gpu": {
        "title": "A GPU",
        "chip": "X1",
        "numbers": {
            "tensor_bf16_tflops": {
                "value": 10,
                "source": "a document",
                "unverified": True,
                "disagree": [{"value": 11, "source": "another"}],
            },
            "cuda_fp32_tflops": {"value": 2.5, "source": "a document"},
            "memory_bandwidth_gb_per_s": {"value": 100, "source": "a document"},
            "streaming_multiprocessors": {"value": 100, "source": "a document"},
        },
        "notes": ["a note"],
    },
    "workload": {"summary": "mine", "document": "crop", "set": {"tokens": 1.5}},
}
# What a schema cannot know: formulas, other files, and what names stand for.
BEYOND = re.compile(
    r"is not a formula|is not allowed|unknown metric|expected \[first, last\]|'.*' is none of(?! input)|gives '.*' as"
    r"|or a formula of symbols|is no number|the least allowed|say 'real: true'|cannot stand in a formula"
)


def _changes(raw: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with each key left out, with a further one in each mapping, and other values everywhere."""

    def places(inner: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        for key, value in inner.items() if isinstance(inner, dict) else enumerate(inner):
            yield (*place, key)
            if isinstance(value, dict | list):
                yield from places(value, (*place, key))

    for place in places(raw, ()):
        for new in (..., None, True, 7, 2.5, -1, "word", "two words", "", [], ["a"], [["a", "b"]], [1], {}, {"x": 1}):
            changed = copy.deepcopy(raw)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            if new is ... and isinstance(inner, list):
                continue
            if new is ...:
                del inner[place[-1]]
            else:
                inner[place[-1]] = new
            yield f"{'.'.join(map(str, place))} = {new!r}", changed
        changed = copy.deepcopy(raw)
        inner = changed
        for key in place:
            inner = inner[key]
        if isinstance(inner, dict):
            inner["unheard of"] = "word"
            yield f"{'.'.join(map(str, place))}: unheard of", changed


@pytest.mark.parametrize("sample", SAMPLES)
def test_schema_and_reader_are_of_one_mind(sample: str) -> None:
    """Whatever one of them refuses the other refuses too, but for what a schema cannot know."""
    kind = sample.partition(" ")[0]
    validator = _validator(kind)
    assert _refusal(kind, SAMPLES[sample]) == ""
    assert validator.is_valid(SAMPLES[sample])
    refused = 0
    for change, raw in [*_changes(SAMPLES[sample]), *(("all", raw) for raw in (None, [], 3, "text", {}, {"x": 1}))]:
        said = _refusal(kind, raw)
        refused += bool(said)
        if validator.is_valid(raw):
            assert not said or BEYOND.search(said), f"{change}: the reader alone refuses: {said}"
        else:
            assert said, f"{change}: the schema alone refuses: {next(validator.iter_errors(raw)).message}"
    assert refused > 20


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        ("workload", {"sumary": "a"}, "file: unknown key 'sumary': did you mean summary?"),
        ("workload", {"document": "page"}, "file: document: 'page' is neither crop nor native"),
        ("workload", {"set": {"batch": "8"}}, "file: set: batch: expected a number, found '8'"),
        ("workload", [], "file: expected a mapping of names to values, found []"),
        (
            "time",
            [],
            "file: expected a mapping of names to values (summary, of, why, seconds), found []",
        ),
        ("machine", {"symbols": {"a": {"letter": "A"}}}, "file: symbols: a: the key 'meaning' is missing"),
        ("machine", {"symbols": []}, "file: symbols: expected a mapping of names to values, found []"),
        (
            "machine",
            {"symbols": {"a": {"letter": "A", "meaning": "a", "value": 1, "formula": 2}}},
            "file: symbols: a: 'value' and 'formula' both give it; keep one",
        ),
        (
            "machine",
            {"symbols": {"a": {"letter": 1, "meaning": "a"}}},
            "file: symbols: a: letter: expected text, found 1",
        ),
        ("metrics", {"a": {"kind": "flows"}}, "file: a: the key 'unit' is missing"),
    ],
)
def test_a_mistake_is_said_in_one_line_and_refused_by_the_schema(kind: str, raw: Any, said: str) -> None:
    assert _refusal(kind, raw) == said
    assert not _validator(kind).is_valid(raw)


def test_a_scenario_names_symbols_and_choices_that_no_schema_knows() -> None:
    validator = _validator("scenario")
    assert validator.is_valid({"gpu": "l4", "batch": 4, "attention": "eager"})
    assert not validator.is_valid({"gpu": 4})
    assert not validator.is_valid(["gpu"])


def test_the_command_prints_where_the_schemas_are() -> None:
    rows = dict(line.split(maxsplit=1) for line in capture(["schema"]).splitlines())
    assert set(rows) == set(FORMS)
    assert all(Path(path).is_file() and Path(path).stem == kind for kind, path in rows.items())
    assert capture(["schema", "operator"]).strip() == rows["operator"] == str(FOLDER / "operator.json")


def test_an_unknown_kind_is_refused_with_the_nearest_one() -> None:
    assert_refused(dsocr("schema", "operators"), "unknown kind of file 'operators': did you mean operator")
