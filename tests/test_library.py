"""Formula files that do not fit: every mistake is one line that names the file and the place."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import evaluate_model

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language import library
from dsocr_symbolic.language.formula import Layer, Library, Operator, inputs, outputs, read_layer, read_operators
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.scenario.values import choose, chosen_slots

Raw = dict[str, Any]
LAYER: Raw = {
    "summary": "a gated pair of products",
    "why": "For these tests.",
    "source": "nowhere",
    "symbols": {"tokens": ["T", "tokens"], "width": ["D", "width"], "inner": ["F", "inner width"]},
    "slots": {"act": {"use": "silu"}},
    "let": {"elements": "tokens*inner"},
    "tensors": {
        "x": {"role": "input", "shape": ["tokens", "width"]},
        "scale": {"role": "weight", "shape": ["inner"]},
        "y": {"role": "output", "shape": ["tokens", "width"]},
    },
    "children": {
        "up": {
            "use": "linear",
            "reads": "x",
            "writes": "hidden",
            "with": {"tokens": None, "in_features": "width", "out_features": "inner"},
        },
        "act": {"use": "$act", "reads": "hidden", "writes": "gated", "with": {"elements": None}},
        "scale": {
            "use": "multiply",
            "reads": ["gated", "scale"],
            "writes": "scaled",
            "when": "tokens > 1",
            "with": {"a": "elements", "b": "inner", "y": "elements", "dtype": "activation"},
        },
        "down": {
            "use": "linear",
            "reads": "scaled",
            "writes": "y",
            "repeat": {"copies": 2, "calls": 1},
            "with": {"tokens": None, "in_features": "inner", "out_features": "width"},
        },
    },
    "example": {"with": {"tokens": 2, "width": 3, "inner": 4}},
}
OPERATOR: Raw = {
    "summary": "y = 2 x",
    "category": "elementwise",
    "aten": "double",
    "symbols": {"elements": ["n", "elements"]},
    "tensors": {"x": {"role": "input", "shape": ["elements"]}, "y": {"role": "output", "shape": ["elements"]}},
    "cuda_core_flops": "elements",
    "example": {"with": {"elements": 6}},
}
MODEL: Raw = {
    "summary": "a network of one layer",
    "constants": {"width": {"value": 3, "letter": "D", "meaning": "width"}},
    "workload": {
        "tokens": {"value": 2, "letter": "T", "meaning": "tokens"},
        "steps": {"value": 4, "letter": "N", "meaning": "steps"},
    },
    "children": {
        "only": {
            "use": "mine",
            "repeat": {"over": "step", "last": "steps"},
            "with": {"tokens": "tokens + step", "width": None, "inner": 5},
        }
    },
}


_OPERATORS = {path: read_operators(path) for path in data_files("formulas/operators").values()}
_LAYERS = {path: read_layer(path) for path in data_files("formulas/layers").values()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give an empty folder on DSOCR_PATH; our own files, read above, are checked again but not read again."""
    monkeypatch.setattr(library, "read_operators", lambda path: _OPERATORS.get(path) or read_operators(path))
    monkeypatch.setattr(library, "read_layer", lambda path: _LAYERS.get(path) or read_layer(path))
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    load_library.cache_clear()
    yield tmp_path
    load_library.cache_clear()


def _write(folder: Path, name: str, raw: Raw | str) -> Path:
    path = folder / "formulas" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = raw if isinstance(raw, str) else yaml.safe_dump(raw, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def _changed(raw: Raw, *changes: tuple[str, Any]) -> Raw:
    """Return a copy with values set at dotted places; `...` removes one."""
    result = copy.deepcopy(raw)
    for place, value in changes:
        *above, last = place.split(".")
        inner = result
        for key in above:
            inner = inner[key]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    return result


def _error(function: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as caught:
        function()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_good_layer_loads_and_evaluates(folder: Path) -> None:
    _write(folder, "layers/mine.yaml", LAYER)
    layer = load_library()["mine"]
    assert isinstance(layer, Layer)
    assert [call.name for call in layer.calls] == ["up", "act", "scale", "down"]
    total = evaluate_model(layer="mine", settings={"tokens": 2, "width": 3, "inner": 4}).total
    assert total["forward_tensor_core_flops"] == 2 * 2 * 3 * 4 * 2
    assert total["operator_launches"] == 4
    assert total["parameters"] == 4 + (3 * 4 + 4) + 2 * (4 * 3 + 3)


def test_good_operator_loads_and_evaluates(folder: Path) -> None:
    _write(folder, "operators/double.yaml", OPERATOR)
    total = evaluate_model(layer="operators/double", settings={"elements": 6}).total
    assert (total["forward_cuda_core_flops"], total["forward_io_bytes"]) == (6, 24)


BROKEN_LAYERS: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "unknown symbol in with": (
        [("children.up.with.in_features", "widht")],
        "children: up: with: unknown symbol 'widht'",
    ),
    "unknown symbol in when": (
        [("children.scale.when", "tokenz > 1")],
        "children: scale: when: unknown symbol 'tokenz'",
    ),
    "unknown symbol in repeat": ([("children.down.repeat.copies", "n")], "children: down: repeat: unknown symbol 'n'"),
    "unknown symbol in last": (
        [("children.down.repeat", {"over": "step", "last": "nowhere"})],
        "children: down: repeat: unknown symbol 'nowhere'",
    ),
    "unknown symbol in let": ([("let.elements", "tokens*inner*depth")], "let: elements: unknown symbol 'depth'"),
    "let that needs a later one": ([("let", {"elements": "size", "size": "tokens*inner"})], "unknown symbol 'size'"),
    "unknown symbol in a shape": ([("tensors.x.shape", ["token", "width"])], "tensors: x: unknown symbol 'token'"),
    "unknown symbol in a dtype": ([("tensors.x.dtype", "bf16")], "tensors: x: unknown symbol 'bf16'"),
    "model's symbol that is not passed": (
        [("children.up.with.in_features", "hidden_size")],
        "children: up: with: unknown symbol 'hidden_size'",
    ),
    "unused symbol": ([("symbols.depth", ["L", "layers"])], "the symbol 'depth' is never used"),
    "unused let": ([("let.size", "tokens*width")], "the symbol 'size' is never used"),
    "missing symbol of the callee": (
        [("children.up.with.out_features", ...)],
        "children: up: with: linear needs 'out_features' (width of the output)",
    ),
    "extra symbol": ([("children.up.with.bias", 1)], "children: up: with: linear has no symbol 'bias'"),
    "symbol given by the slot too": (
        [("slots.act", {"use": "silu", "with": {"elements": 1}})],
        "children: act: with: 'elements' is given twice",
    ),
    "missing symbol of a slot's default": (
        [("slots.act", {"use": "softmax"})],
        "children: act: with: softmax needs 'dtype'",
    ),
    "unknown formula": (
        [("children.up.use", "linaer")],
        "children: up: use: unknown formula 'linaer': did you mean linear",
    ),
    "unknown default of a slot": ([("slots.act.use", "sliu")], "children: act: use: unknown formula 'sliu'"),
    "slot that is not declared": (
        [("children.act.use", "$gate")],
        "children: act: use: the layer declares no slot 'gate'",
    ),
    "slot without a name": ([("children.act.use", "$")], "children: act: use: the layer declares no slot ''"),
    "slot without a default": ([("slots.act", {})], "slots: act: the key 'use' is missing"),
    "slot filled that the callee has not": (
        [("children.up.slots", {"act": {"use": "silu"}})],
        "children: up: slots: linear has no slot 'act'",
    ),
    "too few reads": (
        [("children.scale.reads", "gated")],
        "children: scale: reads: multiply reads left, right; 1 given",
    ),
    "too many reads": ([("children.up.reads", ["x", "x"])], "children: up: reads: linear reads x; 2 given"),
    "no reads": ([("children.up.reads", ...)], "children: up: reads: linear reads x; 0 given"),
    "too many writes": (
        [("children.up.writes", ["hidden", "more"])],
        "children: up: writes: linear writes y; 2 named",
    ),
    "writes a group": ([("children.up.writes", [["hidden", "more"]])], "children: up: writes: expected a name"),
    "reads a number": ([("children.up.reads", 5)], "children: up: reads: expected a name or a list of names"),
    "read before written": ([("children.up.reads", "gated")], "children: up: the tensor 'gated' is read before it is"),
    "read of a name nobody writes": (
        [("children.down.reads", "nobody")],
        "children: down: the tensor 'nobody' is read",
    ),
    "read of the own output": (
        [("children.up.reads", "y")],
        "children: up: the tensor 'y' is read before it is written",
    ),
    "stand-in that is not at hand": ([("children.scale.skip", "later")], "children: scale: the tensor 'later' is read"),
    "written twice": ([("children.act.writes", "hidden")], "children: act: the tensor 'hidden' is written twice"),
    "output written twice": (
        [("children.scale.writes", "y"), ("children.down.reads", "y")],
        "children: down: the tensor 'y' is written twice",
    ),
    "input written": ([("children.act.writes", "x")], "children: act: the tensor 'x' is written twice"),
    "weight written": ([("children.act.writes", "scale")], "children: act: the tensor 'scale' is written twice"),
    "result never read": (
        [("children.scale.reads", ["hidden", "scale"])],
        "children: act: the tensor 'gated' is never read",
    ),
    "input never read": (
        [("tensors.mask", {"role": "input", "shape": ["tokens"]})],
        "tensors: 'mask' is never read; remove it, or mark a weight",
    ),
    "weight never read": (
        [("tensors.bias", {"role": "weight", "shape": ["inner"]})],
        "tensors: 'bias' is never read; remove it, or mark a weight that never runs 'runs: false'",
    ),
    "output never written": (
        [("tensors.z", {"role": "output", "shape": ["tokens"]})],
        "tensors: the output 'z' is never written",
    ),
    "unknown role": ([("tensors.x.role", "in")], "tensors: x: role: 'in' is none of input, output"),
    "role missing": ([("tensors.x.role", ...)], "tensors: x: the key 'role' is missing"),
    "shape missing": ([("tensors.x.shape", ...)], "tensors: x: the key 'shape' is missing"),
    "shape that is no list": ([("tensors.x.shape", "tokens")], "tensors: x: shape: expected a list of sizes"),
    "empty shape": ([("tensors.x.shape", [])], "tensors: x: shape: expected a list of sizes"),
    "unknown key": ([("sumary", "x")], "unknown key 'sumary': did you mean summary"),
    "operator's key in a layer": ([("aten", "mm")], "unknown key 'aten'"),
    "unknown key of a child": ([("children.up.read", "x")], "children: up: unknown key 'read': did you mean reads"),
    "unknown key of a tensor": ([("tensors.x.size", 1)], "tensors: x: unknown key 'size'"),
    "unknown key of a repeat": ([("children.down.repeat.copy", 1)], "children: down: repeat: unknown key 'copy'"),
    "unknown key of an example": ([("example.give", {})], "example: unknown key 'give'"),
    "summary missing": ([("summary", ...)], "the key 'summary' is missing"),
    "children missing": ([("children", ...)], "the key 'children' is missing"),
    "use missing": ([("children.up.use", ...)], "children: up: the key 'use' is missing"),
    "summary that is no text": ([("summary", 5)], "summary: expected text, found 5"),
    "children that are a list": ([("children", [])], "children: expected a mapping"),
    "child that is text": ([("children.up", "linear")], "children: up: expected a mapping"),
    "with that is a list": ([("children.up.with", ["tokens"])], "children: up: with: expected a mapping"),
    "with that is empty": ([("children.up.with", None)], "children: up: with: expected a mapping"),
    "inline that is no flag": ([("children.up.inline", 1)], "children: up: inline: expected true or false, found 1"),
    "step without an end": ([("children.down.repeat", {"over": "t"})], "children: down: repeat: 'over' names a step"),
    "symbol without a meaning": ([("symbols.tokens", ["T"])], "symbols: tokens: expected [letter, meaning]"),
    "meaning with a comma": ([("symbols.tokens", ["T", "tokens", "all"])], "symbols: tokens: a meaning with a comma"),
    "formula that is code": ([("let.elements", "tokens.real")], "let: elements: 'tokens.real': 'tokens.real' is not"),
    "formula that is a flag": ([("children.scale.when", True)], "children: scale: when: a formula is text or a number"),
    "no mapping at all": ([], "expected a mapping of names to values"),
}


@pytest.mark.parametrize(("changes", "message"), BROKEN_LAYERS.values(), ids=BROKEN_LAYERS.keys())
def test_broken_layer_is_a_one_line_error(folder: Path, changes: list[tuple[str, Any]], message: str) -> None:
    path = _write(folder, "layers/mine.yaml", _changed(LAYER, *changes) if changes else "- a list\n")
    found = _error(load_library)
    assert found.startswith(f"{path}: ")
    assert message in found


BROKEN_OPERATORS: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "unknown symbol in FLOPs": ([("cuda_core_flops", "n")], "cuda_core_flops: unknown symbol 'n'"),
    "unknown symbol in products": ([("tensor_core_flops", "2*n")], "tensor_core_flops: unknown symbol 'n'"),
    "unknown symbol in what is read": ([("tensors.x.read", ["n"])], "tensors: x: unknown symbol 'n'"),
    "unused symbol": ([("symbols.rows", ["T", "rows"])], "the symbol 'rows' is never used"),
    "layer's key": ([("children", {})], "unknown key 'children'"),
    "aten missing": ([("aten", ...)], "aten: expected text, found None"),
    "category missing": ([("category", ...)], "the key 'category' is missing"),
    "unknown role": ([("tensors.x.role", "inn")], "tensors: x: role: 'inn' is none of"),
    "runs that is no flag": ([("tensors.x.runs", 0)], "tensors: x: runs: expected true or false, found 0"),
    "formula that is no formula": (
        [("cuda_core_flops", "2 elements")],
        "cuda_core_flops: '2 elements' is not a formula",
    ),
    "unknown key of a member": ([("members", {"a": {"aten": "b", "flop": 1}})], "members: a: unknown key 'flop'"),
    "member without aten": ([("members", {"a": {"flops": 1}})], "members: a: the key 'aten' is missing"),
    "unknown symbol of a member": (
        [("members", {"a": {"aten": "b", "flops": "n"}}), ("cuda_core_flops", "flops")],
        "let: flops: unknown symbol 'n'",
    ),
    "members that are a list": ([("members", ["a"])], "members: expected a mapping"),
    "members that are nothing": ([("members", None)], "members: expected a mapping"),
    "member that is nothing": ([("members", {"a": None})], "members: a: expected a mapping"),
    "unknown category": ([("category", "elementwize")], "category: unknown category 'elementwize'"),
}


@pytest.mark.parametrize(("changes", "message"), BROKEN_OPERATORS.values(), ids=BROKEN_OPERATORS.keys())
def test_broken_operator_is_a_one_line_error(folder: Path, changes: list[tuple[str, Any]], message: str) -> None:
    path = _write(folder, "operators/double.yaml", _changed(OPERATOR, *changes))
    found = _error(load_library)
    assert found.startswith(f"{path}: ")
    assert message in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("summary: [open", "line "),
        ("summary: a\nsummary: b", "line 2: the key 'summary' stands twice"),
        ("summary: no", "line 1: 'no' would be read as a boolean"),
        ("", "expected a mapping"),
    ],
)
def test_broken_yaml_is_a_one_line_error(folder: Path, text: str, message: str) -> None:
    path = _write(folder, "layers/deep/mine.yaml", text)
    found = _error(load_library)
    assert found.startswith(f"{path}: ")
    assert message in found


def _relay(child: str) -> Raw:
    """Return a layer that only calls another one."""
    return {
        "summary": "endless",
        "symbols": {"tokens": ["T", "tokens"]},
        "tensors": {"x": {"role": "input", "shape": ["tokens"]}, "y": {"role": "output", "shape": ["tokens"]}},
        "children": {child: {"use": child, "reads": "x", "writes": "y", "with": {"tokens": None}}},
    }


@pytest.mark.parametrize("ring", [("ouroboros",), ("ping", "pong")], ids="-".join)
def test_layers_that_call_each_other_in_a_ring_are_an_error(folder: Path, ring: tuple[str, ...]) -> None:
    for own, other in zip(ring, (*ring[1:], ring[0]), strict=True):
        _write(folder, f"layers/{own}.yaml", _relay(other))
    assert ring[0] in _error(lambda: evaluate_model(layer=ring[0], settings={"tokens": 2}))


# Models over formulas ------------------------------------------------------------------------------------------------


def _build(folder: Path, layer: Raw, model: Raw) -> Any:
    _write(folder, "layers/mine.yaml", layer)
    _write(folder, "models/network.yaml", model)
    definition = find_definition("network")
    return model_tree(definition, chosen_slots(definition, choose(definition, {})))


def test_good_model_builds_its_tree(folder: Path) -> None:
    layer = _changed(LAYER, ("children.scale.when", "inner > 1"))
    nodes = list(walk(_build(folder, layer, MODEL)))
    assert ["/".join(node.path) for node in nodes] == ["only", "only/up", "only/act", "only/scale", "only/down"]
    assert all(node.steps is not None for node in nodes)


def test_guard_that_hides_the_step_is_an_error_that_names_the_call(folder: Path) -> None:
    message = _error(lambda: _build(folder, LAYER, MODEL))
    assert message.startswith("only/scale: a guard or a count depends on the step")


def test_count_that_depends_on_the_step_is_an_error_that_names_the_call(folder: Path) -> None:
    changes = [("children.scale.when", ...), ("children.down.repeat", {"copies": 1, "calls": "tokens"})]
    message = _error(lambda: _build(folder, _changed(LAYER, *changes), MODEL))
    assert message.startswith("only/down: a guard or a count depends on the step")


BROKEN_MODELS: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "unknown formula": ([("children.only.use", "mien")], "only: unknown formula 'mien'"),
    "missing symbol": ([("children.only.with.inner", ...)], "only: with: mine needs 'inner' (inner width)"),
    "extra symbol": ([("children.only.with.depth", 1)], "only: with: mine has no symbol 'depth'"),
    "unknown symbol": ([("children.only.with.inner", "depth")], "unknown symbol 'depth'"),
    "unknown symbol in when": ([("children.only.when", "depth > 0")], "unknown symbol 'depth'"),
    "unknown last step": ([("children.only.repeat.last", "stepz")], "unknown symbol 'stepz'"),
    "slot that no choice fills": ([("children.only.use", "$body")], "body"),
    "unknown key": ([("child", {})], "unknown key 'child'"),
    "constant in terms of nothing": ([("constants.width.value", "depth")], "width: unknown symbol 'depth'"),
}


@pytest.mark.parametrize(("changes", "message"), BROKEN_MODELS.values(), ids=BROKEN_MODELS.keys())
def test_broken_model_is_a_one_line_error(folder: Path, changes: list[tuple[str, Any]], message: str) -> None:
    layer = _changed(LAYER, ("children.scale.when", ...))
    assert message in _error(lambda: _build(folder, layer, _changed(MODEL, *changes)))


def test_unknown_symbol_in_the_default_of_a_slot_is_an_error(folder: Path) -> None:
    """A default takes its symbols from the model, so it can only be checked with one."""
    changes = [("slots.act", {"use": "silu", "with": {"elements": "unheard"}}), ("children.act.with", {})]
    layer = _changed(LAYER, ("children.scale.when", ...), *changes)
    assert "unheard" in _error(lambda: _build(folder, layer, MODEL))


# Our own library -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own() -> Library:
    load_library.cache_clear()
    return load_library()


def test_library_holds_operators_and_layers_by_name(own: Library) -> None:
    assert all(name == formula.name for name, formula in own.formulas.items())
    kinds = {type(formula) for formula in own.formulas.values()}
    assert kinds == {Operator, Layer}


def test_library_is_read_once() -> None:
    assert load_library() is load_library()


def test_flops_stand_in_operators_alone(own: Library) -> None:
    layers = [formula for formula in own.formulas.values() if isinstance(formula, Layer)]
    assert layers
    assert all(not hasattr(layer, "tensor_core_flops") for layer in layers)


def test_operators_own_nothing_but_weights_and_keep_no_state(own: Library) -> None:
    for formula in own.formulas.values():
        if isinstance(formula, Operator):
            assert {tensor.role for tensor in formula.tensors.values()} <= {"input", "output", "inplace", "weight"}
            assert inputs(formula) or outputs(formula)
