"""Files of a user hold what they say: ``dsocr check``, and the same for every verb that asks for numbers."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from own_network import BLOCK, FILES, GATE, LM, MODEL, SQUARE, Change, on_path, put, write
from test_cli import Answer, dsocr

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.evaluation import examples

GPU = {
    "title": "A GPU",
    "numbers": {
        "cuda_fp32_tflops": {"value": 2.5, "source": "a document"},
        "memory_bandwidth_gb_per_s": {"value": 100, "source": "a document", "unverified": True},
    },
}
ROOT = Path(__file__).parent.parent


def check(folder: Path, *files: str | Path) -> Answer:
    with on_path(folder):
        return dsocr("check", *files)


def of(folder: Path, name: str) -> str:
    return str(folder / name)


def test_all_files_of_the_path_are_checked_and_each_says_what_was(tmp_path: Path) -> None:
    gpu = tmp_path / "hardware" / "mine.yaml"
    gpu.parent.mkdir()
    gpu.write_text(yaml.safe_dump(GPU))
    found = check(write(tmp_path, put(BLOCK, "example", ...)))
    assert (found.status, found.err) == (0, "")
    *lines, _, last = found.out.splitlines()
    said = dict(line.split(": ", 1) for line in lines if line.startswith(str(tmp_path)))
    assert said == {
        of(tmp_path, GATE): "layer, its example holds: operator_launches 2",
        of(tmp_path, BLOCK): "layer, loads",
        of(tmp_path, LM): "layer, its example holds: parameters 66",
        of(tmp_path, MODEL): "model, 1 workload and 0 options evaluated; 1984 parameters",
        of(tmp_path, SQUARE): "operator, its example holds: forward_cuda_core_flops 6, forward_io_bytes 24",
        str(gpu): "GPU, A GPU, 2 numbers, 1 unverified",
    }
    assert "6 files checked: all hold" in found.out
    assert f"{BLOCK}: has no example that gives a number" in found.out.replace("\n    ", " ")
    assert last


def test_a_wrong_example_is_named_with_both_numbers_and_so_it_is_by_every_verb(tmp_path: Path) -> None:
    write(tmp_path, put(GATE, "example.gives.operator_launches", 3))
    said = (
        f"{of(tmp_path, GATE)}: example: gives: operator_launches: the example says 3, the formula gives 2 launch; "
        "correct one of them"
    )
    found = check(tmp_path)
    assert found.status == 1
    assert f"wrong: {said}" in found.out.splitlines()
    assert found.out.splitlines()[-1] == "5 files checked: 1 wrong"
    with on_path(tmp_path):
        for words in (
            ("totals", "--model", "mine"),
            ("tree", "--model", "mine"),
            ("totals", "--layer", "mine/my_gate"),
            ("totals", "--layer=my_block"),
            ("formula", "my_lm"),
            ("docs", "--model", "mine", "--out", str(tmp_path / "docs")),
        ):
            found = dsocr(*words)
            assert (found.status, found.out, found.err) == (2, "", f"dsocr: {said}\n"), words
        with pytest.raises(UserError, match="the example says 3, the formula gives 2"):
            load_model("mine")
        # What does not call it does not mind; what lists it does not either.
        for words in (("totals", "--layer", "my_square"), ("layers",), ("symbols", "--model", "mine"), ("--help",)):
            assert dsocr(*words).status == 0, words


def test_a_file_is_evaluated_once_per_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path / "cache"))
    names: list[str] = []
    held = examples.check_example
    monkeypatch.setattr(
        examples, "check_example", lambda formula, home: names.append(formula.name) or held(formula, home)
    )
    with on_path(write(tmp_path)):
        for _ in range(2):
            assert dsocr("totals", "--model", "mine").status == 0
    assert sorted(names) == ["my_block", "my_gate", "my_lm", "my_square"]
    with on_path(write(tmp_path, put(GATE, "example.gives.operator_launches", 4))):
        assert dsocr("totals", "--model", "mine").status == 2
        assert dsocr("totals", "--model", "mine").status == 2
    assert names[4:] == ["my_square", "my_gate"] * 2


def test_symbols_that_an_example_leaves_out_are_those_of_the_network_that_calls_it(tmp_path: Path) -> None:
    left_out = [
        put(LM, "example.with", {"rows": 2, "depth": 2}),
        put(LM, "example.gives.parameters", 2 * 100 * 8 + 256),
    ]
    assert check(write(tmp_path, *left_out)).status == 0
    found = check(write(tmp_path, *left_out, put(LM, "example.gives.parameters", 5)))
    assert "the formula gives 1856 parameter; width, vocabulary: as in mine; correct one" in found.out


# what is wrong in a file -> what is said of it
WRONG: dict[str, tuple[Change, str, str]] = {
    "a division by 0": (put(GATE, "let.elements", "rows/0"), GATE, "let: elements: 'rows/0' divides by 0"),
    "a remainder by 0": (put(GATE, "let.elements", "rows % (2 - 2)"), GATE, "'rows % (2 - 2)' divides by 0"),
    "a division by 0 at the example": (
        put(GATE, "children.square.when", "1/(rows - 2) > 0"),
        GATE,
        "example: 1/(rows - 2) > 0 divides by 0",
    ),
    "copies below 0": (
        put(LM, "children.blocks.repeat.copies", -3),
        LM,
        "children: blocks: repeat: copies: '-3' is not",
    ),
    "half a copy": (put(LM, "children.blocks.repeat.copies", "1/2"), LM, "copies: '1/2' is not a count"),
    "calls below 0": (put(LM, "children.blocks.repeat.calls", -1), LM, "repeat: calls: '-1' is not a count"),
    "a last step below 0": (put(MODEL, "children.decode.repeat.last", -1), MODEL, "repeat: last: '-1' is not a count"),
    "copies that come out below 0": (
        put(LM, "children.blocks.repeat.copies", "depth - 9"),
        LM,
        "example: my_lm/blocks: -7 calls; see what 'repeat'",
    ),
    "a guard of 5": (put(GATE, "children.square.when", 5), GATE, "children: square: when: '5' is not a guard, 0 or 1"),
    "a guard that comes out as a size": (
        put(GATE, "children.square.when", "rows"),
        GATE,
        "example: my_gate/square: its guard 'when' is 2 here; a guard is 0 or 1",
    ),
    "a share of 2": (put(GATE, "children.square.needed", 2), GATE, "children: square: needed: '2' is not a share"),
    "a size below 0": (put(SQUARE, "tensors.y.shape", [-2]), SQUARE, "tensors: y: shape: '-2' is not a count"),
    "a size that comes out below 0": (
        put(SQUARE, "tensors.y.shape", ["elements - 100"]),
        SQUARE,
        "example: my_square: -176 bytes moved",
    ),
    "bytes below 0": (put(SQUARE, "tensors.y.dtype", -1), SQUARE, "tensors: y: dtype: '-1' is not a number from 0 on"),
    "FLOPs below 0": (put(SQUARE, "cuda_core_flops", -5), SQUARE, "cuda_core_flops: '-5' is not a number from 0 on"),
    "an example's unknown symbol": (put(GATE, "example.with", {"row": 2}), GATE, "example: with: unknown symbol 'row'"),
    "an example's missing symbol": (put(GATE, "example.with", {}), GATE, "example: with: 'rows' has no value (rows)"),
    "an example's formula": (put(GATE, "example.with.rows", "width"), GATE, "with: rows: 'width' is no number"),
    "an example below 0": (put(GATE, "example.with.rows", -2), GATE, "example: rows: -2 is less than 0"),
    "an example's unknown metric": (put(GATE, "example.gives", {"flops": 1}), GATE, "gives: unknown metric 'flops'"),
    "an example of what is null": (put(GATE, "example.gives", {"ttft_s": 1}), GATE, "the formula gives null s"),
    "a keyword": (put(GATE, "let.is", "rows"), GATE, "let: 'is' is a word of Python"),
    "a keyword that is a symbol": (put(GATE, "symbols.lambda", ["l", "word"]), GATE, "symbols: 'lambda' is a word of"),
    "a keyword in a formula": (put(GATE, "let.elements", "lambda*width"), GATE, "'lambda' is a word of Python"),
    "a step that is a keyword": (put(MODEL, "children.decode.repeat.over", "for"), MODEL, "over: 'for' is a word of"),
    "a constant that is a keyword": (
        put(MODEL, "constants.class", {}),
        MODEL,
        "constants: 'class' is a word of Python",
    ),
    "a name that no formula can hold": (put(MODEL, "constants.my-width", {}), MODEL, "'my-width' cannot stand in a"),
    "a name of a function": (put(MODEL, "workload.Max", {}), MODEL, "workload: 'Max' is a function of formulas"),
    "a constant below its least": (put(MODEL, "constants.width.value", -8), MODEL, "width: value: -8 is less than 1"),
    "half a constant": (put(MODEL, "constants.width.value", 8.5), MODEL, "width: value: 17/2 is no whole number"),
    "a workload below 0": (put(MODEL, "workloads.plain.set", {"prompt": -1}), MODEL, "plain: set: prompt: -1 is less"),
    "an unknown workload": (
        put(MODEL, "default_workload", "plian"),
        MODEL,
        "default_workload: unknown workload 'plian'",
    ),
    "an unknown GPU": (put(MODEL, "default_gpu", "rtx999"), MODEL, "default_gpu: unknown GPU 'rtx999'"),
    "no workload": (put(MODEL, "workloads", {}), MODEL, "workloads: there is none; add one"),
    "a name of ours": (put(MODEL, "x", 1), MODEL, "unknown key 'x'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_line_that_names_file_and_key(tmp_path: Path, what: str) -> None:
    change, file, said = WRONG[what]
    found = check(write(tmp_path, change), tmp_path / file)
    assert (found.status, found.err) == (1, "")
    wrong = [line for line in found.out.splitlines() if line.startswith(f"wrong: {tmp_path / file}: ")]
    assert len(wrong) == 1
    assert said in wrong[0]


def test_what_waits_for_a_file_that_is_wrong_is_not_wrong_itself(tmp_path: Path) -> None:
    found = check(write(tmp_path, put(SQUARE, "tensors.y.shape", [-2])))
    *lines, last = found.out.splitlines()
    assert last == "5 files checked: 1 wrong, 4 not evaluated"
    assert sum(f"others are wrong: {of(tmp_path, SQUARE)}" in line for line in lines) == 4
    # Nobody would see it if that file were not among those checked.
    found = check(tmp_path, tmp_path / GATE)
    assert found.status == 1
    assert f"wrong: {of(tmp_path, GATE)}: not evaluated, for others are wrong: {of(tmp_path, SQUARE)}" in found.out


def test_a_name_of_our_own_files_is_the_users_to_change(tmp_path: Path) -> None:
    write(tmp_path)
    shutil.move(tmp_path / GATE, tmp_path / "formulas/layers/mine/block.yaml")
    found = check(tmp_path)
    taken = (
        f"{tmp_path / 'formulas/layers/mine/block.yaml'}: the name 'block' is taken by {ROOT}/formulas/layers/vision/"
    )
    assert f"wrong: {taken}" in found.out
    with on_path(tmp_path):
        found = dsocr("totals")
    assert (found.status, found.err.startswith(f"dsocr: {taken}")) == (2, True)


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """Files that lie in no folder of the path, side by side."""
    for name, raw in FILES.items():
        (tmp_path / Path(name).name).write_text(yaml.safe_dump(raw, sort_keys=False))
    (tmp_path / "load.yaml").write_text("summary: mine\nset: {new_tokens: 3}\n")
    (tmp_path / "case.yaml").write_text("gpu: h200\nbatch: 4\nattention: eager\n")
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(GPU))
    return tmp_path


def test_files_are_known_by_their_keys_wherever_they_lie(loose: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loose)
    found = dsocr("check", *sorted(path.name for path in loose.glob("*.yaml")))
    assert (found.status, found.err) == (0, "")
    assert [line.split(", ")[0] for line in found.out.splitlines()[:-1]] == [
        *("card.yaml: GPU", "case.yaml: scenario", "load.yaml: workload", "mine.yaml: model", "my_block.yaml: layer"),
        *("my_gate.yaml: layer", "my_lm.yaml: layer", "my_square.yaml: operator"),
    ]
    assert "8 files checked: all hold" in found.out
    (loose / "load.yaml").write_text("set: {new_tokens: -3}\n")
    (loose / "case.yaml").write_text("attention: eagre\n")
    (loose / "card.yaml").write_text(yaml.safe_dump(GPU | {"titel": "x"}))
    found = dsocr("check", "load.yaml", "case.yaml", "card.yaml", "--format", "json")
    document = json.loads(found.out)
    assert (found.status, document["wrong"]) == (1, 3)
    assert [each["wrong"].split(": did")[0] for each in document["files"]] == [
        "load.yaml: set: new_tokens: -3 is less than 0 (decode steps)",
        "case.yaml: attention: unknown option 'eagre'",
        "card.yaml: unknown key 'titel'",
    ]


def test_a_folder_that_is_not_on_the_path_is_checked_as_if_it_were(tmp_path: Path) -> None:
    write(tmp_path)
    for start in (tmp_path, tmp_path / LM, tmp_path / MODEL):
        found = dsocr("check", start)
        assert found.status == 0, found.out
    # It is forgotten afterwards.
    assert dsocr("totals", "--layer", "my_lm").status == 2
    model = copy.deepcopy(FILES[MODEL])
    model["children"]["prefill"]["use"] = "nowhere"
    (tmp_path / MODEL).write_text(yaml.safe_dump(model))
    found = dsocr("check", tmp_path / MODEL)
    assert f"wrong: {of(tmp_path, MODEL)}: prefill: unknown formula 'nowhere'" in found.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("formulas/conventions.yaml", "is read by no verb; a user's lie in formulas/bounds, formulas/layers, "),
        ("formulas/layers/gate.yml", "is read by no verb; let its name end in .yaml"),
        ("layers/gate.yaml", "is read by no verb there; move it to formulas/layers of a folder of DSOCR_PATH"),
    ],
)
def test_what_no_verb_would_read_is_said(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(yaml.safe_dump(FILES[GATE]))
    found = check(tmp_path)
    assert found.status == 1
    assert f"wrong: {tmp_path / name}: {said}" in found.out


def test_misuse_is_one_line_and_exit_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, said in (
        ((), "nothing to check, for DSOCR_PATH is not set and no FILE is named"),
        ((tmp_path / "nowhere.yaml",), "nowhere.yaml: no such file or folder"),
        ((tmp_path / "a.txt",), "a.txt: only YAML files are checked"),
        ((empty,), f"check: no YAML file in {empty}; files lie in formulas/bounds, "),
    ):
        found = dsocr("check", *words)
        assert (found.status, found.out, found.err.count("\n")) == (2, "", 1), words
        assert said in found.err
    monkeypatch.setenv("DSOCR_PATH", str(empty))
    assert dsocr("check").status == 2


def test_our_own_files_hold() -> None:
    """A sample: tests/test_formula_files.py holds all of them to their examples."""
    own = [ROOT / "formulas" / kind for kind in ("operators", "layers/llama", "bounds")]
    found = dsocr("check", *own, ROOT / "hardware" / "l4.yaml", "--format", "json")
    document: dict[str, Any] = json.loads(found.out)
    assert (found.status, document["wrong"], document["warnings"]) == (0, 0, [])
    assert len(document["files"]) > 40
    assert all(each["says"] for each in document["files"])


def test_a_config_is_read_without_its_network_being_run(tmp_path: Path) -> None:
    result = dsocr("check", str(ROOT / "examples" / "mixtral-8x7b.json"))
    assert result.status == 0
    assert "config, of mixtral: hidden_size 4096" in result.out
    assert "46702792704 parameters; not counted: backward_tensor_core_flops" in result.out
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "mixtral", "hidden_size": 8}', encoding="utf-8")
    wrong = dsocr("check", str(path))
    assert (wrong.status, wrong.out.count(str(path))) == (1, 1)
    assert "is missing" in wrong.out
