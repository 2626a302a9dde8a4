"""The command line: help, options, exit codes, and one line for every mistake."""

import io
import math
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import frozen
from conftest import evaluate_model, uncommented
from hypothesis import given
from hypothesis import strategies as st

import dsocr_symbolic
from dsocr_symbolic.cli import _commands, main
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.scenario.checks import parse_number

TOP = Path(__file__).resolve().parent.parent
MODEL = TOP / "formulas" / "models" / "deepseek-ocr.yaml"
COMMANDS = (
    *("totals", "tree", "report", "formula", "export", "explore", "serve", "sweep", "solve", "sensitivity", "bounds"),
    *("compare", "plan", "budget", "docs"),
    *(
        "check",
        "verify",
        "torchinfo",
        "calibrate",
        "measure",
        "compare-measured",
        "models",
        "gpus",
        "workloads",
        "layers",
        "symbols",
        "schema",
    ),
)
_UNIQUE_LAYERS = """
core/deepseek_ocr_model vision/attention vision/block vision/clip_vision_embeddings vision/image_encoder_vit
vision/layer_norm2d vision/mlp_block vision/mlp_projector vision/notp_attention vision/notp_feedforward
vision/notp_transformer vision/notp_transformer_block vision/patch_embed vision/vit_model
decoder/deepseek_v2_decoder_layer decoder/deepseek_v2_mlp decoder/deepseek_v2_moe decoder/deepseek_v2_rms_norm
decoder/moe_gate llama/llama_flash_attention2 llama/llama_attention llama/llama_rotary_embedding
gelu silu conv2d linear layer_norm embedding lm_head
"""
UNIQUE_LAYERS = _UNIQUE_LAYERS.split()
WORKLOADS = ("tiny", "small", "base", "large", "gundam", "dsocr-standard-v1", "dsocr-standard-v2")


@frozen
class Answer:
    status: Any
    out: str
    err: str


def dsocr(*arguments: str | Path) -> Answer:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    return Answer(stop.value.code, out.getvalue(), err.getvalue())


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-c", "from dsocr_symbolic.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(TOP), **options.pop("env", {})}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, text=True, env=environment, check=False, **streams)


def assert_refused(answer: Answer, *words: str | Path) -> None:
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("dsocr: ")
    assert answer.err.count("\n") == 1
    for word in words:
        assert str(word) in answer.err


# help and listings


def test_every_command_and_option_has_help() -> None:
    group = _commands(default_definition(None))
    assert tuple(group.commands) == COMMANDS
    for command in group.commands.values():
        assert command.help
        shown = dsocr(command.name or "", "--help")
        assert (shown.status, shown.err) == (0, "")
        for each in command.params:
            if isinstance(each, click.Option):
                assert each.help, each.name
                assert each.opts[0] in shown.out
    shown = dsocr("-h")
    assert shown.status == 0
    assert all(name in shown.out for name in (*COMMANDS, "--version"))


@pytest.mark.parametrize("command", ["totals", "formula", "export", "sweep"])
def test_there_is_an_option_per_choice(command: str) -> None:
    definition = default_definition(None)
    options = {each.opts[0] for each in _commands(definition).commands[command].params}
    assert {f"--{name}" for name in definition.choices} <= options
    assert set(definition.choices) >= {"attention", "logits", "experts", "weight-dtype", "activation-dtype", "kv-dtype"}


def test_version() -> None:
    assert dsocr("--version") == Answer(0, f"dsocr {dsocr_symbolic.__version__}\n", "")


def test_no_command_is_help() -> None:
    assert dsocr() == dsocr("--help")
    assert dsocr("--version", "totals").out.startswith("dsocr ")


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (("models",), ["deepseek-ocr"]),
        (
            ("gpus",),
            [
                "t4",
                "mi300x",
                "gb10",
                "rtx5090",
                "rtx4090",
                "h100-sxm",
                "h200",
                "b200",
                "a100-40gb",
                "a100-80gb",
                "l40s",
            ],
        ),
        (("workloads",), [*WORKLOADS]),
        (("layers",), UNIQUE_LAYERS),
        (("symbols",), ["hidden_size", "batch", "crops", "prefill_experts_hit", "flops_per_exp", "memory_bandwidth"]),
        (("symbols", "--metrics"), ["forward_io_bytes", "backward_weight_bytes", "parameters", "roofline_s"]),
    ],
)
def test_listings(listing: tuple[str, ...], expected: list[str]) -> None:
    answer = dsocr(*listing)
    assert (answer.status, answer.err) == (0, "")
    first_words = {line.split(" ")[0] for line in answer.out.splitlines()}
    names = first_words | {word.rpartition("/")[2] for word in first_words}
    assert set(expected) <= names
    assert max(map(len, answer.out.splitlines())) <= 100


def test_default_workload_and_gpu_are_named() -> None:
    answer = dsocr("totals")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("deepseek-ocr, gundam, on NVIDIA GeForce RTX 5090\n")


# what options do


@pytest.mark.parametrize("layer", UNIQUE_LAYERS)
def test_every_unique_layer_stands_alone(layer: str) -> None:
    answer = dsocr("totals", "--layer", layer, "--format", "csv")
    assert (answer.status, answer.err) == (0, "")
    assert uncommented(answer.out).splitlines()[1].startswith(f"{layer.rpartition('/')[2]},1,")


def test_one_layer_alone_with_its_own_symbols() -> None:
    arguments = ("--layer", "vision/image_encoder_vit", "--set", "batch=8", "--set", "image_size=1024")
    row = uncommented(dsocr("totals", *arguments, "--format", "csv").out).splitlines()[1].split(",")
    assert row[:3] == ["image_encoder_vit", "1", str(8 * 976_909_172_736)]
    assert dsocr("totals", *arguments).out.startswith("deepseek-ocr")


def test_choices_change_what_they_should_and_no_more() -> None:
    def total(**choices: str) -> dict[str, Any]:
        return dict(evaluate_model("dsocr-standard-v2", **choices).total)

    flash = total()
    eager = total(attention="eager")
    grouped = total(experts="grouped")
    for other in (eager, grouped):
        assert other["forward_tensor_core_flops"] == flash["forward_tensor_core_flops"]
        assert other["parameters"] == flash["parameters"]
    assert eager["forward_io_bytes"] > flash["forward_io_bytes"]
    assert eager["operator_launches"] > flash["operator_launches"] > grouped["operator_launches"]
    assert total(weight_dtype="fp8")["forward_weight_bytes"] * 2 == flash["forward_weight_bytes"]
    assert total(weight_dtype="int4")["forward_weight_bytes"] * 4 == flash["forward_weight_bytes"]
    assert total(kv_dtype="fp32")["forward_kv_cache_bytes"] == 2 * flash["forward_kv_cache_bytes"]
    last = evaluate_model("dsocr-standard-v2", logits="last")
    saved = flash["forward_tensor_core_flops"] - last.total["forward_tensor_core_flops"]
    assert saved == (last.values.numbers["prompt_tokens"] - 1) * 330_956_800


def test_choices_on_the_command_line_reach_the_numbers() -> None:
    plain, chosen = dsocr("totals"), dsocr("totals", "--attention", "eager", "--kv-dtype", "fp8")
    assert "attention flash" in plain.out
    assert "attention eager" in chosen.out
    assert "kv-dtype fp8" in chosen.out
    expected = evaluate_model(attention="eager", kv_dtype="fp8").total["forward_io_bytes"]
    text = dsocr("totals", "--by", "total", "--attention=eager", "--kv-dtype=fp8", "--format", "csv").out
    row = uncommented(text).splitlines()[1]
    assert row.split(",")[4] == str(expected)


def test_unverified_gpu_numbers_are_marked() -> None:
    marked, plain = dsocr("totals", "--gpu", "h100-pcie").out, dsocr("totals").out
    assert "unverified: memory_bandwidth_bytes_per_s" in marked
    assert "roofline?" in marked
    assert "unverified" not in plain
    assert "?" not in plain


@pytest.mark.parametrize("grid", [(1, 1), (5, 2), (10, 1), (13, 30)])
def test_a_grid_the_network_never_cuts(grid: tuple[int, int]) -> None:
    sizes = ("--set", f"crop_columns={grid[0]}", "--set", f"crop_rows={grid[1]}")
    assert_refused(dsocr("totals", *sizes), "2 to 9", "--allow-any-grid", f"crops = {grid[0] * grid[1]}")
    allowed = dsocr("totals", *sizes, "--allow-any-grid", "--format", "csv")
    assert allowed.status == 0
    vision = 1_138_624_856_064 + 387_625_549_824 * grid[0] * grid[1]
    assert uncommented(allowed.out).splitlines()[1].startswith(f"vision,1,{vision},")


# mistakes

MISTAKES: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("unknown symbol", ("--set", "batc=1"), ("unknown symbol 'batc'", "batch")),
    ("no symbol", ("--set", "=1"), ("unknown symbol ''",)),
    ("unknown workload", ("--workload", "gundem"), ("unknown workload 'gundem'", "gundam")),
    ("unknown GPU", ("--gpu", "rtx509"), ("unknown GPU 'rtx509'", "rtx5090")),
    ("unknown layer", ("--layer", "vision/atention"), ("unknown layer 'vision/atention'", "vision/attention")),
    ("unknown model", ("--model", "deepseek"), ("unknown model 'deepseek'", "deepseek-ocr")),
    ("unknown model, short", ("--model=nope",), ("unknown model 'nope'", "deepseek-ocr")),
    ("no such model file", ("--model", "nope.yaml"), ("nope.yaml: no such model file",)),
    ("no such workload file", ("--workload", "nope.yaml"), ("nope.yaml: no such workload file",)),
    ("no such GPU file", ("--gpu", "nope.yaml"), ("nope.yaml: no such GPU file",)),
    ("no such config", ("--config", "nope.json"), ("nope.json", "No such file")),
    ("unknown option of a choice", ("--attention", "sdpa"), ("attention: unknown option 'sdpa'", "eager", "flash")),
    ("unknown dtype", ("--weight-dtype", "bf17"), ("weight-dtype: unknown option 'bf17'", "bf16")),
    ("unknown option", ("--bye", "stage"), ("--bye", "--by")),
    ("unknown view", ("--by", "day"), ("'day'", "category")),
    ("unknown format", ("--format", "xml"), ("'xml'", "markdown")),
    ("unknown kept symbol", ("--closed-form", "--keep", "hidden"), ("unknown symbol 'hidden'", "hidden_size")),
    ("stray argument", ("page.png",), ("'page.png'", "--document")),
    ("set without =", ("--set", "batch"), ("--set batch", "SYMBOL=VALUE")),
    ("set twice", ("--set", "batch=1", "--set", "batch=1"), ("batch", "twice")),
    ("not a number", ("--set", "batch=many"), ("batch", "'many' is not a number")),
    ("empty", ("--set", "batch="), ("batch", "'' is not a number")),
    ("a formula", ("--set", "batch=2*3"), ("'2*3' is not a number",)),
    ("code", ("--set", "batch=__import__('os')"), ("'__import__('os')' is not a number",)),
    ("attribute", ("--set", "batch=().__class__"), ("is not a number",)),
    ("hexadecimal", ("--set", "batch=0x10"), ("'0x10' is not a number",)),
    ("nan", ("--set", "batch=nan"), ("batch", "'nan'")),
    ("infinity", ("--set", "batch=inf"), ("batch", "'inf'")),
    ("minus infinity", ("--set", "flops_per_exp=-inf"), ("flops_per_exp", "'-inf'")),
    ("divided by zero", ("--set", "flops_per_exp=1/0"), ("flops_per_exp", "zero")),
    ("not whole", ("--set", "batch=1.5"), ("batch", "1.5 is not a whole number")),
    ("a fraction", ("--set", "prompt_tokens=1/3"), ("prompt_tokens", "1/3 is not a whole number")),
    ("no batch", ("--set", "batch=0"), ("batch: 0 is less than 1",)),
    ("negative batch", ("--set", "batch=-1"), ("batch: -1 is less than 1",)),
    ("negative text", ("--set", "text_tokens=-1"), ("text_tokens: -1 is less than 0",)),
    ("negative decode", ("--set", "new_tokens=-1"), ("new_tokens: -1 is less than 0",)),
    ("less than no prompt", ("--set", "prompt_tokens=-1"), ("prompt_tokens: -1 is less than 0",)),
    ("size", ("--set", "base_size=1000"), ("base_size is a multiple of 64", "base_size = 1000")),
    ("crop size", ("--set", "image_size=96"), ("image_size is a multiple of 64", "image_size = 96")),
    ("no size", ("--set", "base_size=0"), ("base_size: 0 is less than",)),
    ("top-k above experts", ("--set", "num_experts_per_tok=65"), ("num_experts_per_tok is at most n_routed_experts",)),
    ("heads", ("--set", "num_attention_heads=7"), ("num_attention_heads divides hidden_size",)),
    ("SAM's heads", ("--set", "sam_heads=7"), ("sam_heads divides sam_width",)),
    ("CLIP's heads", ("--set", "clip_heads=7"), ("clip_heads divides clip_width",)),
    ("odd heads", ("--set", "num_attention_heads=1280"), ("head is even",)),
    ("towers that do not fit", ("--set", "clip_width=2048"), ("clip_width is 4*sam_neck_channels = 1024",)),
    ("dense layers", ("--set", "first_k_dense_replace=13"), ("first_k_dense_replace is at most num_hidden_layers",)),
    ("columns without rows", ("--set", "crop_rows=0"), ("both 0 or both positive",)),
    ("crops apart from the grid", ("--set", "crops=5"), ("crops is crop_columns*crop_rows = 6",)),
    ("more experts than there are", ("--set", "prefill_experts_hit=65"), ("prefill_experts_hit is at most",)),
    ("fewer than one token hits", ("--set", "decode_experts_hit=5"), ("num_experts_per_tok",)),
    ("more than the rows hit", ("--set", "decode_experts_hit=7"), ("a decode step routes 6 rows",)),
    ("fixed", ("--set", "fp32=2"), ("fp32", "cannot be set")),
    ("fixed integer", ("--set", "int64=4"), ("int64", "cannot be set")),
    ("no bandwidth", ("--set", "memory_bandwidth=0"), ("memory_bandwidth: 0 is not greater than 0",)),
    ("negative FLOPs", ("--set", "flops_per_exp=-1"), ("flops_per_exp: -1 is less than 0",)),
    ("huge int", ("--set", "batch=1e400"), ("batch",)),
    ("huge real", ("--set", "flops_per_exp=1e999"), ("flops_per_exp",)),
    ("huge fraction", ("--set", "flops_per_exp=2e400/3"), ("flops_per_exp",)),
    ("thousands of digits", ("--set", f"batch={'9' * 5000}"), ("batch",)),
    ("a huge divisor", ("--set", f"flops_per_exp=1/{'9' * 5000}"), ("flops_per_exp",)),
    ("huge steps", ("--set", "new_tokens=1e300"), ("new_tokens",)),
    ("huge prompt", ("--set", "text_tokens=1e200"), ("tokens",)),
    ("dtype the GPU lacks", ("--gpu", "rtx3090", "--activation-dtype", "fp8"), ("rtx3090", "bf16 or fp16 or fp32")),
    ("default dtype the GPU lacks", ("--gpu", "t4"), ("t4", "no tensor_bf16", "--activation-dtype fp16, another GPU")),
    ("value missing", ("--attention",), ("--attention", "argument")),
    ("dpi", ("--document", "x.png", "--dpi", "0"), ("dpi",)),
    ("dpi nan", ("--document", "x.png", "--dpi", "nan"), ("dpi",)),
    ("dpi text", ("--document", "x.png", "--dpi", "high"), ("'--dpi'", "'high'")),
]


@pytest.mark.parametrize(("arguments", "words"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES])
def test_a_mistake_is_one_line_that_names_it(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(dsocr("totals", *arguments), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("total",), ("'total'",)),
        (("formula",), ("PATH",)),
        (("formula", "prefill", "decode"), ("decode",)),
        (("formula", "prefil"), ("unknown node or layer 'prefil'", "prefill")),
        (("formula", "prefill/layers.0/self_atn"), ("'prefill/layers.0/self_atn'", "prefill/layers.0/self_attn")),
        (("formula", "prefill", "--metric", "io_bytes"), ("unknown metric 'io_bytes'", "forward_io_bytes")),
        (("formula", "prefill", "--format", "html"), ("'html'",)),
        (("formula", "prefill", "--set", "batch=0"), ("batch: 0 is less than 1",)),
        (("models", "--model", "nope"), ("unknown model 'nope'",)),
        (("gpus", "more"), ("more",)),
    ],
)
def test_mistakes_of_other_commands(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(dsocr(*arguments), *words)


@given(value=st.text("0123456789.eE+-/_ naif", max_size=12))
def test_a_value_is_finite_or_refused(value: str) -> None:
    try:
        number = parse_number(value, "batch")
    except UserError:
        return
    assert math.isfinite(number)


@given(value=st.integers(-(10**30), 10**30))
def test_whole_values_stay_exact(value: int) -> None:
    for text in (str(value), f" {value} ", f"{value}.0", f"{value}/1"):
        number = parse_number(text, "batch")
        assert (type(number), number) == (int, value)


# files


def changed(path: Path, old: str, new: str) -> Path:
    """Copy the model file with one change."""
    text = MODEL.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


HIDDEN = "hidden_size: {value: 1280,"
BROKEN_MODELS = {
    "unknown key": ("constants:\n", "constnts:\n", "'constnts'"),
    "unknown key of a symbol": (HIDDEN, "hidden_size: {valu: 1280,", "constants: hidden_size: unknown key 'valu'"),
    "a list for a value": (HIDDEN, "hidden_size: {value: [1],", "hidden_size: value"),
    "code for a value": (HIDDEN, "hidden_size: {value: \"__import__('os').getcwd()\",", "hidden_size: value"),
    "a tower of powers": (HIDDEN, "hidden_size: {value: 9**9**9,", "hidden_size: value"),
    "a key twice": (HIDDEN, "hidden_size: {value: 1280, value: 2,", "line 9: the key 'value' stands twice"),
    "a least that is no number": ("the batch, least: 1", "the batch, least: one", "batch: least"),
    "a symbol that is not there": ("crop_columns*crop_rows,", "crop_columns*rows,", "crops: unknown symbol 'rows'"),
    "symbols in a ring": ("crop_columns*crop_rows,", "crop_columns*image_tokens,", "crops"),
    "a rule about nothing": ("require: 'base_size %", "require: 'base_siz %", "base_siz"),
    "rules that are no list": ("config:\n  architectures", "rules: 5\nconfig:\n  architectures", "rules"),
    "a default that is no option": ("default: flash", "default: flsh", "attention: default: 'flsh'"),
    "a workload that is neither": ("document: native", "document: natve", "tiny: document: 'natve'"),
    "a child that is not there": ("use: vision_towers", "use: vision_tower", "vision: unknown formula 'vision_tower'"),
    "a symbol too few": (", base_grid: base_size/(4*sam_patch_size),", ",", "'base_grid'"),
    "a symbol too many": ("(image_tokens > 0), base_grid:", "(image_tokens > 0), foo: 1, base_grid:", "'foo'"),
    "an unknown symbol passed on": ("with: {batch: batch*", "with: {batch: batsh*", "batsh"),
    "an unknown last step": ("last: new_tokens", "last: new_token", "new_token"),
    "a GPU number that is not there": ("tensor_bf16_flops_per_s", "tensor_bf17_flops_per_s", "tensor_bf17_flops_per_s"),
    "broken YAML": ("constants:\n", "constants: [\n", "line"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "word"), BROKEN_MODELS.values(), ids=BROKEN_MODELS)
def test_broken_model_file(tmp_path: Path, old: str, new: str, word: str) -> None:
    path = tmp_path / "mine.yaml"
    changed(path, old, new)
    if new.startswith("rules: 5"):  # in place of the true rules
        text = path.read_text(encoding="utf-8")
        head, _, tail = text.rpartition("\nrules:\n")
        path.write_text(head + "\n\nchoices:" + tail.partition("\nchoices:")[2], encoding="utf-8")
    assert_refused(dsocr("totals", "--model", path), word)


@pytest.mark.parametrize(
    "content", ["", "[1]", "5", "summary: x\n\ty: 1\n", "\0", "a: b: c", "!!python/name:os.system"]
)
@pytest.mark.parametrize("option", ["--model", "--workload", "--gpu"])
def test_files_that_are_something_else(tmp_path: Path, option: str, content: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    assert_refused(dsocr("totals", option, path), path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("sett: {batch: 2}", ("'sett'", "set")),
        ("set: {base_siz: 512}", ("'base_siz'", "base_size")),
        ('set: {batch: "2"}', ("batch", "'2'")),
        ("set: {batch: \"__import__('os')\"}", ("batch",)),
        ("set: {batch: true}", ("batch",)),
        ("set: {batch: }", ("batch",)),
        ("set: {batch: .nan}", ("batch", "nan")),
        ("set: {batch: .inf}", ("batch", "inf")),
        ("set: {batch: 2.5}", ("batch", "2.5")),
        ("set: {batch: 1, batch: 2}", ("batch", "twice")),
        ("set: {base_size: 1000}", ("multiple of 64",)),
        ("set: [1]", ("set",)),
        ("document: natve", ("'natve'",)),
        ("set: !!python/object/apply:os.getcwd []", ("line 1",)),
    ],
)
def test_broken_workload_file(tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    assert_refused(dsocr("totals", "--workload", path), *words)


@pytest.mark.parametrize("content", ["set: {base_siz: 512}", 'set: {batch: "2"}', "set: {batch: .nan}"])
def test_broken_workload_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    assert_refused(dsocr("totals", "--workload", path), path)


def test_files_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wide.yaml").write_text("set: {crop_columns: 9, crop_rows: 1}", encoding="utf-8")
    shutil.copy(TOP / "hardware" / "l4.yaml", tmp_path / "mine.yaml")
    shutil.copy(MODEL, tmp_path / "copy.yaml")
    monkeypatch.chdir(tmp_path)
    arguments = ("--workload", "wide.yaml", "--gpu", "mine.yaml", "--model", "copy.yaml", "--set", "crop_rows=2")
    assert_refused(dsocr("totals", *arguments), "crops = 18")
    answer = dsocr("totals", *arguments[:-2])
    assert answer.status == 0
    assert answer.out.startswith("copy, wide, on NVIDIA L4")


def test_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "formulas" / "layers" / "mine").mkdir(parents=True)
    shutil.copy(TOP / "hardware" / "l4.yaml", tmp_path / "hardware" / "mine.yaml")
    block = TOP / "formulas" / "layers" / "vision" / "mlp_block.yaml"
    shutil.copy(block, tmp_path / "formulas" / "layers" / "mine" / "my_block.yaml")
    arguments = ("totals", "--layer", "mine/my_block", "--gpu", "mine", "--format", "csv")
    mine = process(*arguments, env={"DSOCR_PATH": str(tmp_path)})
    theirs = dsocr("totals", "--layer", "mlp_block", "--gpu", "l4", "--format", "csv").out
    assert (mine.returncode, uncommented(mine.stdout).replace("my_block", "mlp_block")) == (0, uncommented(theirs))
    shutil.copy(TOP / "hardware" / "l4.yaml", tmp_path / "hardware" / "l4.yaml")
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    assert_refused(dsocr("totals", "--gpu", "l4"), "l4", "taken")
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path / "nowhere"))
    assert_refused(dsocr("totals"), "DSOCR_PATH", "nowhere")


def test_the_users_own_values_win_over_the_workload() -> None:
    answer = dsocr("totals", "--workload", "gundam", "--set", "crop_columns=2", "--set", " new_tokens = 7 ")
    assert "crops 4," in answer.out
    assert "new_tokens 7," in answer.out


# as a process


def test_exit_status_and_streams_of_a_process() -> None:
    good, bad = process("totals", "--by", "total"), process("totals", "--set", "batc=1")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("deepseek-ocr, gundam")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "dsocr: unknown symbol 'batc': did you mean batch?\n"


@pytest.mark.parametrize("arguments", [("totals", "--format", "json"), ("totals",)])
def test_a_reader_that_hangs_up_is_no_error(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = process(*arguments, stdout=writer)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_full_disk_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = process("totals", stdout=full)
    assert ended.returncode != 0
    assert ended.stderr.startswith("dsocr: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere"])
def test_a_cache_that_cannot_be_written_is_no_error(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_CACHE", place)
    assert dsocr("totals", "--layer", "linear").status == 0
