"""Every formula file is a test case by existing: it loads, explains itself, and its example holds."""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import evaluate_model

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.examples import home_of
from dsocr_symbolic.language.definition import load_definition
from dsocr_symbolic.language.expression import evaluate, parse
from dsocr_symbolic.language.formula import Layer, Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.measurement.prediction import load_components
from dsocr_symbolic.paths import data_files

OPERATORS = data_files("formulas/operators")
LAYERS = data_files("formulas/layers")
FILES = {**OPERATORS, **LAYERS}
# The network's 29 classes but its containers, which launch nothing of their own.
CLASSES = [
    "GELU",
    "SiLU",
    "Conv2d",
    "Linear",
    "LayerNorm",
    "Embedding",
    "LlamaFlashAttention2",
    "LlamaRotaryEmbedding",
    "Attention",
    "Block",
    "CLIPVisionEmbeddings",
    "ImageEncoderViT",
    "LayerNorm2d",
    "MLPBlock",
    "MlpProjector",
    "NoTPAttention",
    "NoTPFeedForward",
    "NoTPTransformer",
    "NoTPTransformerBlock",
    "PatchEmbed",
    "VitModel",
    "DeepseekOCRModel",
    "DeepseekV2DecoderLayer",
    "DeepseekV2MLP",
    "DeepseekV2MoE",
    "DeepseekV2RMSNorm",
    "MoEGate",
]

every_file = pytest.mark.parametrize("name", FILES)
every_operator_file = pytest.mark.parametrize("name", OPERATORS)


@cache
def _raw(name: str) -> dict[str, Any]:
    raw = read_yaml(FILES[name])
    assert isinstance(raw, dict)
    return raw


def _member(name: str) -> str:
    """Return the formula that a file's example is about: itself, or a member of the family."""
    member = str(_raw(name)["example"].get("member", name))
    assert member in _raw(name).get("members", {name: None}), f"{name}: a family's example names its member"
    return member


def _given(name: str) -> dict[str, Any]:
    example = _raw(name)["example"]["with"]
    return {symbol: evaluate(parse(value, name), {}, arithmetic) for symbol, value in example.items()}


def _evaluated(name: str, formula: str) -> dict[str, Any]:
    home = home_of(load_library()[formula], [])
    layer = f"{FILES[name].parent.name}/{formula}"
    return dict(evaluate_model(model=home.name, settings=_given(name), layer=layer).total)


def test_there_are_files() -> None:
    assert len(OPERATORS) > 25
    assert len(LAYERS) > 35


@every_file
def test_file_is_in_the_library_under_its_name(name: str) -> None:
    members = _raw(name).get("members", {name: None})
    for member in members:
        formula = load_library()[member]
        assert Path(formula.file) == FILES[name]
        assert isinstance(formula, Operator if name in OPERATORS else Layer)


@every_file
@pytest.mark.parametrize("key", ["summary", "why", "source"])
def test_file_explains_itself(name: str, key: str) -> None:
    text = _raw(name)[key].strip()
    assert len(text) >= 3
    if key == "why":
        assert text.endswith(".")


@every_file
def test_every_symbol_has_a_letter_and_a_meaning(name: str) -> None:
    for letter, meaning in _raw(name)["symbols"].values():
        assert letter
        assert len(meaning) > 3
        assert not meaning.endswith(".")


@every_file
def test_example_gives_every_symbol_that_the_model_does_not_know(name: str) -> None:
    symbols = set(_raw(name)["symbols"])
    given = set(_raw(name)["example"]["with"])
    assert given <= symbols
    assert symbols - given <= set(find_definition("deepseek-ocr").quantities)


@every_file
def test_example_names_metrics_that_are_built(name: str) -> None:
    gives = _raw(name)["example"].get("gives")
    assert gives, f"{name}: its example gives nothing"
    built = {metric for metric, each in load_metrics().items() if each.kind in ("flow", "stock")}
    assert set(gives) <= built


@every_operator_file
def test_example_of_an_operator_gives_bytes_and_flops(name: str) -> None:
    gives = _raw(name)["example"]["gives"]
    assert "forward_io_bytes" in gives
    assert gives["operator_launches"] == 1
    assert {"forward_tensor_core_flops", "forward_cuda_core_flops"} & set(gives)


@every_file
def test_example_holds_exactly(name: str) -> None:
    total = _evaluated(name, _member(name))
    gives = _raw(name)["example"].get("gives", {})
    assert gives == {metric: total[metric] for metric in gives}
    assert all(type(total[metric]) is int for metric in gives)


@pytest.mark.parametrize("name", [name for name in OPERATORS if "members" in _raw(name)])
def test_members_of_a_family_move_the_same_bytes(name: str) -> None:
    moved = {member: _evaluated(name, member)["forward_io_bytes"] for member in _raw(name)["members"]}
    assert set(moved.values()) == {_raw(name)["example"]["gives"]["forward_io_bytes"]}


@every_operator_file
def test_operator_launches_once_and_has_a_known_category(name: str) -> None:
    for member in _raw(name).get("members", {name: None}):
        operator = load_library()[member]
        assert isinstance(operator, Operator)
        assert operator.category in load_conventions().categories
        assert operator.aten


@pytest.mark.parametrize("name", LAYERS)
def test_category_of_a_layer_and_of_its_calls_is_known(name: str) -> None:
    layer = load_library()[name]
    assert isinstance(layer, Layer)
    categories = {layer.category, *(call.category for call in layer.calls)} - {""}
    assert categories <= set(load_conventions().categories)


@pytest.mark.parametrize("class_name", CLASSES)
def test_class_of_the_network_has_a_formula_file(class_name: str) -> None:
    found = [formula.name for formula in load_library().formulas.values() if formula.class_name]
    classes = {load_library()[name].class_name.rpartition(".")[2] for name in found}
    assert class_name in classes


CHOICES = {"attention": ("flash", "eager"), "experts": ("loop", "grouped"), "precision": ("plain", "autocast")}


@pytest.mark.parametrize("options", list(itertools.product(*CHOICES.values())), ids="-".join)
def test_every_operator_of_the_model_has_a_category(options: tuple[str, ...]) -> None:
    result = evaluate_model("gundam", **dict(zip(CHOICES, options, strict=True)))
    operators = [node.row for node in result.nodes if node.row.aten]
    assert len(operators) > 300
    known = set(load_conventions().categories) - {"other"}
    assert [row.path for row in operators if row.category not in known] == []


def test_every_formula_is_used() -> None:
    """A formula that nobody calls is dead: no choice of the model and no other formula reaches it."""
    used: set[str] = set()
    for definition in map(load_definition, data_files("formulas/models").values()):
        used |= {stage.use for stage in definition.stages}
        for choice in definition.choices.values():
            used |= {formula for option in choice.options.values() for formula in option.slots.values()}
    for formula in load_library().formulas.values():
        if isinstance(formula, Layer):
            used |= {binding.use for binding in formula.slots.values()}
            used |= {binding.use for call in formula.calls for binding in call.slots.values()}
            used |= {call.use for call in formula.calls}
    used |= {call.layer.rpartition("/")[2] for part in load_components().values() for call in part.layers}
    assert set(load_library().formulas) - used == {"deepseek_ocr_model"}
