"""Constraints of fields: what they refuse, and that every field has one."""

from functools import cache
from typing import Any

import attrs
import pytest
from contract_examples import CLASSES, artifacts
from hypothesis import HealthCheck, given, settings

from dsocr_symbolic.reports.contracts import constraints
from dsocr_symbolic.reports.contracts.contract_files import descriptions
from dsocr_symbolic.reports.contracts.endpoints import PROBLEM
from dsocr_symbolic.reports.contracts.model_report import DeepSeekOCRModelSpec, OCRWorkloadProfile

EVERY = [*CLASSES, PROBLEM]
FIELDS = [(kind, each) for kind in EVERY for each in attrs.fields(kind)]
NAMES = [f"{kind.__name__}.{each.name}" for kind, each in FIELDS]
_GOOD = {
    "profile_id": "gundam",
    "description": "a page",
    "seq_len": 903,
    "base_size": 1024,
    "image_size": 640,
    "crop_mode": True,
    "max_new_tokens": 0,
    "doc_kind": "synthetic",
    "num_pages": 1,
}


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=NAMES)
def test_every_field_has_a_constraint_and_a_description(kind: type, field: Any) -> None:
    assert field.kw_only
    assert field.validator is not None
    assert descriptions(kind)[1][field.name].endswith(".")


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_the_docstring_names_the_fields_and_no_others(kind: type) -> None:
    summary, texts = descriptions(kind)
    assert list(texts) == [each.name for each in attrs.fields(kind)]
    assert summary


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=NAMES)
def test_every_field_refuses_what_is_of_no_type_that_it_has(kind: type, field: Any) -> None:
    good = attrs.asdict(_one(kind), recurse=False)
    with pytest.raises((TypeError, ValueError)):
        kind(**{**good, field.name: object()})


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_artifacts_cannot_be_changed(kind: type) -> None:
    one = _one(kind)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(one, attrs.fields(kind)[0].name, None)


@cache
def _one(kind: type) -> Any:
    """Return the first example that hypothesis draws."""
    drawn: list[Any] = []

    @settings(max_examples=1, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(artifacts(kind))
    def draw(artifact: Any) -> None:
        drawn.append(artifact)

    draw()
    return drawn[0]


def test_the_example_is_good() -> None:
    assert attrs.asdict(OCRWorkloadProfile(**_GOOD)) == _GOOD


BAD = {
    "profile_id": ["", "two words", "a\n"],
    "description": [""],
    "seq_len": [0, -1, True, 903.0],
    "base_size": [0],
    "crop_mode": [1, None],
    "max_new_tokens": [-1, False],
    "doc_kind": ["text heavy", "other", None],
    "num_pages": [0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_value_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        OCRWorkloadProfile(**{**_GOOD, name: value})


@attrs.define
class Path:
    path: str | None = attrs.field(**constraints.nullable(constraints.RELATIVE_PATH))


@pytest.mark.parametrize("path", ["a", "a/b.json", "../docs", "./a b/c", ".", None])
def test_relative_paths_are_allowed(path: str | None) -> None:
    assert Path(path).path == path


@pytest.mark.parametrize("path", ["", "/a", "C:/a", "c:a", "a\\b", " a", "a ", "a\nb"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="must match"):
        Path(path)


@attrs.define
class Name:
    name: str = attrs.field(**constraints.NAME)


@pytest.mark.parametrize("name", ["../secret.yaml", "/etc/passwd", "x.yaml", "a b", "", "-x"])
def test_a_name_is_never_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="must match"):
        Name(name)


def test_a_model_may_be_tied_to_no_revision() -> None:
    good = attrs.asdict(_one(DeepSeekOCRModelSpec))
    assert DeepSeekOCRModelSpec(**{**good, "hf_revision": None}).hf_revision is None
    with pytest.raises(ValueError, match="must match"):
        DeepSeekOCRModelSpec(**{**good, "hf_revision": "main branch"})
