"""The compiled model: its numbers are those of sympy, its cache is never trusted."""

import functools
import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.symbolic import power
from dsocr_symbolic.evaluation import program, program_builder
from dsocr_symbolic.evaluation.estimate import Estimate, estimate
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.language import file_digests
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import find_definition, layer_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_forecast
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.network.serving import FORWARD
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.values import choose, chosen_slots, resolve

LAYER = "core/layer_norm"


def _definition(layer: str = LAYER) -> Definition:
    return layer_definition(find_definition("deepseek-ocr"), layer)


def _numbers(loaded: program.Program, definition: Definition) -> Estimate:
    values = resolve(definition, options=choose(definition, {}), settings={}, gpu=load_gpu("rtx5090"))
    return estimate(loaded, values)


class _Builds:
    """Counts how often a program is built anew."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.m_build = build
        self.m_count = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.m_count += 1
        return self.m_build(*arguments, **named)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> _Builds:
    counter = _Builds(program_builder.build_program)
    monkeypatch.setattr(program_builder, "build_program", counter)
    return counter


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / "below"
    monkeypatch.setenv("DSOCR_CACHE", str(folder))
    # As where the system does not say whose a file is, and nothing was shipped: text alone is kept.
    for module in (program, file_digests):
        monkeypatch.setattr(module, "load_trusted", lambda *_: None)
        monkeypatch.setattr(module, "save_trusted", lambda *_: None)
    monkeypatch.setattr(program, "_shipped", lambda *_, **__: None)
    return folder


def _cached(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def _write(path: Path, key: str, content: Any) -> None:
    """Write a cache file whose digest is right."""
    body = json.dumps(content)
    path.write_text(f"{program._header(key, body)}\n{body}", encoding="utf-8")


def test_second_load_comes_from_the_cache_with_equal_numbers(cache: Path, builds: _Builds) -> None:
    definition = _definition()
    first = program.load_program(definition, {})
    assert builds.m_count == 1
    second = program.load_program(definition, {})
    assert builds.m_count == 1
    assert second.rows == first.rows
    assert _numbers(second, definition) == _numbers(first, definition)
    assert [path.suffix for path in cache.iterdir()] == [".json"]


def test_whole_model_from_the_cache_gives_equal_numbers(cache: Path, builds: _Builds) -> None:
    definition = find_definition("deepseek-ocr")
    options = choose(definition, {})
    slots = chosen_slots(definition, options)
    values = resolve(definition, options=options, settings={"new_tokens": 7}, gpu=load_gpu("h200"))
    first = estimate(program.load_program(definition, slots), values)
    assert estimate(program.load_program(definition, slots), values) == first
    assert builds.m_count == 1
    assert _cached(cache).stat().st_size > 1000


def test_layers_choices_and_models_have_programs_of_their_own(cache: Path, tmp_path: Path) -> None:
    model = find_definition("deepseek-ocr")
    other = tmp_path / "other.yaml"
    other.write_text(
        Path(model.file).read_text(encoding="utf-8").replace("value: 6848", "value: 6849"), encoding="utf-8"
    )
    keys = {
        program._key(model, {"attention": "llama_attention"}),
        program._key(model, {"attention": "llama_flash_attention2"}),
        program._key(model, {}),
        program._key(_definition(), {}),
        program._key(_definition("operators/linear"), {}),
        program._key(find_definition(str(other)), {}),
    }
    assert len(keys) == 6
    assert not cache.exists()


def test_changed_formula_is_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, builds: _Builds
) -> None:
    path = tmp_path / "formulas" / "operators" / "half_gelu.yaml"
    path.parent.mkdir(parents=True)
    definition = _definition()
    program.load_program(definition, {})
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    path.write_text("summary: new", encoding="utf-8")
    before = program._key(definition, {})
    path.write_text("summary: newer", encoding="utf-8")
    assert len({before, program._key(definition, {}), _cached(cache).stem}) == 3
    assert builds.m_count == 1


@pytest.mark.usefixtures("cache")
def test_edit_of_an_engine_module_is_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: _Builds
) -> None:
    package = tmp_path / "dsocr_symbolic"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(program, "PACKAGE", package)
    definition = _definition()
    program.load_program(definition, {})
    for edited, name in enumerate(program._ENGINE, start=2):
        module = max((package / name).rglob("*.py"))
        module.write_text(module.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
        program.load_program(definition, {})
        program.load_program(definition, {})
        assert builds.m_count == edited, name
    for place in ("reports", "writing", "questions", "verification"):
        for module in (package / place).rglob("*.py"):
            module.write_text("# another\n", encoding="utf-8")
    program.load_program(definition, {})
    assert builds.m_count == 1 + len(program._ENGINE)


def _truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(place: float) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        index = int(place * (len(data) - 1))
        return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]

    return flip


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": _truncate,
    "last byte lost": lambda data: data[:-1],
    "byte added": lambda data: data + b" ",
    "header lost": lambda data: data.partition(b"\n")[2],
    "body lost": lambda data: data.partition(b"\n")[0],
    "not UTF-8": lambda data: b"\xff" + data,
    "binary": lambda _: bytes(range(256)),
    "number changed": lambda data: data.replace(b"7*", b"8*"),
    **{f"byte flipped at {place}": _flip(place) for place in (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_cache_is_rebuilt(damage: Callable[[bytes], bytes], cache: Path, builds: _Builds) -> None:
    definition = _definition()
    expected = _numbers(program.load_program(definition, {}), definition)
    path = _cached(cache)
    good = path.read_bytes()
    assert damage(good) != good
    path.write_bytes(damage(good))
    assert _numbers(program.load_program(definition, {}), definition) == expected
    assert builds.m_count == 2
    assert path.read_bytes() == good


def test_cache_of_another_program_under_this_name_is_rebuilt(cache: Path, builds: _Builds) -> None:
    definition, other = _definition(), _definition("operators/linear")
    program.load_program(other, {})
    foreign = _cached(cache).read_bytes()
    (cache / f"{program._key(definition, {})}.json").write_bytes(foreign)
    loaded = program.load_program(definition, {})
    assert builds.m_count == 2
    assert loaded.rows[1].layer == LAYER


CONTENT: dict[str, Any] = {
    "rows": [],
    "phases": [],
    "columns": [],
    "members": {},
    "source": "def run(v):\n    return ()\n",
}
FOREIGN: dict[str, Any] = {
    "no object": [1, 2],
    "nothing": None,
    "no rows": {key: value for key, value in CONTENT.items() if key != "rows"},
    "no source": {key: value for key, value in CONTENT.items() if key != "source"},
    "no members": {key: value for key, value in CONTENT.items() if key != "members"},
    "members of numbers": {**CONTENT, "members": {"stocks": [1]}},
    "members in no mapping": {**CONTENT, "members": [[]]},
    "rows of numbers": {**CONTENT, "rows": [1]},
    "row without path": {**CONTENT, "rows": [{}]},
    "unknown row key": {**CONTENT, "rows": [{"path": "", "x": 1}]},
    "source of another type": {**CONTENT, "source": 5},
    "source without run": {**CONTENT, "source": "t0 = 5\n"},
    "source that is no Python": {**CONTENT, "source": "def run(v):\nreturn ((,)"},
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_cache_with_right_digest_and_foreign_content_is_rebuilt(content: Any, cache: Path, builds: _Builds) -> None:
    definition = _definition()
    expected = _numbers(program.load_program(definition, {}), definition)
    _write(_cached(cache), program._key(definition, {}), content)
    assert _numbers(program.load_program(definition, {}), definition) == expected
    assert builds.m_count == 2


MALICIOUS = {
    "import at the top": "__import__('pathlib').Path('CANARY').touch()\ndef run(v):\n    return ()\n",
    "import statement": "import pathlib\npathlib.Path('CANARY').touch()\ndef run(v):\n    return ()\n",
    "import inside": "def run(v):\n    return __import__('pathlib').Path('CANARY').touch()\n",
    "open": "def run(v):\n    return open('CANARY', 'w')\n",
    "default argument": "def run(v, x=open('CANARY', 'w')):\n    return ()\n",
    "decorator": "@open('CANARY', 'w').write\ndef run(v):\n    return ()\n",
    "attribute": "def run(v):\n    return ().__class__.__base__.__subclasses__()\n",
    "attribute of a value": "def run(v):\n    return v['batch'].real\n",
    "attribute of a primitive": "def run(v):\n    return divide.__globals__\n",
    "eval": "def run(v):\n    return eval(\"open('CANARY', 'w')\")\n",
    "lambda": "def run(v):\n    return (lambda: 1)()\n",
    "comprehension": "def run(v):\n    return [x for x in v]\n",
    "f-string": "def run(v):\n    return f'{v}'\n",
    "text": "def run(v):\n    return 'text'\n",
    "while": "def run(v):\n    while 1: pass\n",
    "walrus": "def run(v):\n    return (s_x := 1)\n",
    "class": "class run:\n    pass\n",
    "two functions": "def run(v):\n    return ()\ndef evil(v):\n    return ()\n",
    "global": "def run(v):\n    global t0\n    t0 = 1\n    return ()\n",
    "comment": "def run(v):  # nothing\n    return ()\n",
    "line continuation": "def run(v):\n    return \\\n ()\n",
    "null": "def run(v):\n    return ()\0\n",
}


@pytest.mark.parametrize("source", MALICIOUS.values(), ids=MALICIOUS.keys())
def test_malicious_source_with_right_digest_is_not_executed(
    source: str, cache: Path, builds: _Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    definition = _definition()
    expected = _numbers(program.load_program(definition, {}), definition)
    path = _cached(cache)
    content = json.loads(path.read_text(encoding="utf-8").partition("\n")[2])
    _write(path, program._key(definition, {}), {**content, "source": source})
    with pytest.raises(ValueError, match="not a generated program"):
        compile_function(source)
    assert _numbers(program.load_program(definition, {}), definition) == expected
    assert builds.m_count == 2
    assert not (tmp_path / "CANARY").exists()


def test_compiled_source_has_no_builtins() -> None:
    run = compile_function("def run(v):\n    return s_open(t1)\n")
    assert run.__globals__["__builtins__"] == {}
    with pytest.raises(NameError):
        run({})


@pytest.mark.parametrize("below", ["", "sub", "sub/folder"])
def test_cache_folder_that_cannot_be_made_is_no_error(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: _Builds
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("DSOCR_CACHE", str(blocker / below))
    definition = _definition()
    first = _numbers(program.load_program(definition, {}), definition)
    assert _numbers(program.load_program(definition, {}), definition) == first
    assert builds.m_count == 2
    assert blocker.read_text(encoding="utf-8") == "in the way"


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_disk_that_is_full_is_no_error_and_leaves_no_draft(
    step: str, cache: Path, monkeypatch: pytest.MonkeyPatch, builds: _Builds
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    definition = _definition()
    with monkeypatch.context() as patch:
        patch.setattr(Path, step, full)
        first = _numbers(program.load_program(definition, {}), definition)
    assert list(cache.iterdir()) == []
    assert _numbers(program.load_program(definition, {}), definition) == first
    assert builds.m_count == 2
    assert _cached(cache).suffix == ".json"


def test_folder_in_the_place_of_the_cache_file_is_no_error(cache: Path, builds: _Builds) -> None:
    definition = _definition()
    (cache / f"{program._key(definition, {})}.json").mkdir(parents=True)
    assert _numbers(program.load_program(definition, {}), definition).total["operator_launches"] == 1
    assert builds.m_count == 1


# The tree ------------------------------------------------------------------------------------------------------------


def _tree(**choices: str) -> tuple[Definition, tuple[Node, ...]]:
    definition = find_definition("deepseek-ocr")
    return definition, model_tree(definition, chosen_slots(definition, choose(definition, choices)))


def _columns(definition: Definition, stages: tuple[Node, ...]) -> dict[str, list[Any]]:
    """Return what the program evaluates, column by column."""
    leaves = leaves_of(stages, whole=Whole(definition=definition, stages=stages))
    loaded = program.load_program(definition, chosen_slots(definition, choose(definition, {})))
    return {name: [sympy.sympify(each) for each in leaves.columns[name]] for name in loaded.columns}


@pytest.mark.parametrize("attention", ["flash", "eager"])
@pytest.mark.parametrize("experts", ["loop", "grouped"])
def test_no_symbol_is_free_but_those_of_the_definition(attention: str, experts: str) -> None:
    definition, stages = _tree(attention=attention, experts=experts)
    known = {symbolic.symbol(name) for name in definition.quantities}
    columns = _columns(definition, stages)
    assert len(columns["operator_launches"]) > 500
    for name, column in columns.items():
        for place, expression in enumerate(column):
            assert expression.free_symbols <= known, (name, place)


def test_only_decode_counts_steps() -> None:
    definition, stages = _tree()
    assert symbolic.symbol("step") not in {symbolic.symbol(name) for name in definition.quantities}
    for node in walk(stages):
        assert (node.steps is not None) == (node.path[0] == "decode"), node.path


TIMES = ("roofline_s", "phases")
# Columns that wall seconds are made of: what the host takes, and the pauses between kernels.
HOST = ("host", "gaps", "replays")


@functools.cache
def _outputs() -> dict[str, list[Any]]:
    """Return the expressions of all columns, built once."""
    definition, stages = _tree()
    return _columns(definition, stages)


def _substituted(expression: Any, values: dict[Any, Any]) -> Any:
    """Put numbers in with sympy; sums of maxima are added step by step."""
    bound = sympy.sympify(expression).xreplace(values)
    powers = {
        found: sympy.Rational(Fraction(arithmetic.power(*map(float, found.args)))) for found in bound.atoms(power)
    }
    bound = bound.xreplace(powers)
    for found in bound.atoms(symbolic.sum_maxima):
        last, *ends = found.args
        lines = list(zip(ends[::2], ends[1::2], strict=True))
        steps = [max(intercept + slope * step for intercept, slope in lines) for step in range(1, int(last) + 1)]
        bound = bound.xreplace({found: sympy.Add(*steps)})
    assert bound.is_Rational, bound
    return Fraction(int(bound.p), int(bound.q))


workloads = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 5),
        "base_size": st.integers(1, 20).map(lambda each: 64 * each),
        "image_size": st.integers(1, 12).map(lambda each: 64 * each),
        "text_tokens": st.integers(0, 900),
        "new_tokens": st.integers(0, 20),
        "prefill_experts_hit": st.fractions(6, 64, max_denominator=5),
        "decode_experts_hit": st.just(6),
    }
)


@settings(deadline=None, max_examples=3)
@given(workload=workloads, grid=st.sampled_from([(0, 0), (2, 1), (3, 2), (3, 3)]))
def test_program_equals_substitution_into_the_tree_exactly(workload: dict[str, Any], grid: tuple[int, int]) -> None:
    settings_ = {**workload, "crop_columns": grid[0], "crop_rows": grid[1]}
    definition = find_definition("deepseek-ocr")
    options = choose(definition, {})
    values = resolve(definition, options=options, settings=settings_, gpu=load_gpu("rtx5090"))
    found = program.load_program(definition, chosen_slots(definition, options)).run(values.numbers)
    rationals = {symbolic.symbol(name): sympy.Rational(Fraction(each)) for name, each in values.numbers.items()}
    expected = _outputs()
    substituted = functools.cache(lambda expression: _substituted(expression, rationals))
    for (name, expressions), numbers in zip(expected.items(), found, strict=True):
        for number, expression in zip(numbers, expressions, strict=True):
            # The machine's numbers are floats, and so are experts that a server's largest forward is expected to hit.
            if name in (*TIMES, *HOST, FORWARD) or (name in load_metrics() and is_forecast(name)):
                assert number == pytest.approx(float(substituted(expression)), rel=1e-12, abs=0)
            else:
                assert number == substituted(expression), name


def test_rows_of_the_program_are_the_nodes_of_the_tree() -> None:
    _, stages = _tree()
    result = evaluate_model("gundam")
    assert [node.row.path for node in result.nodes] == ["/".join(node.path) for node in walk(stages)]
    assert all(node.row.parent < index for index, node in enumerate(result.nodes, start=1))
