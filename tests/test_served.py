"""As servers run it: one choice that makes others, each of which can be made alone, and laws of both executions."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_cli import assert_refused, dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.questions.sweep.asked import _options
from dsocr_symbolic.scenario.scenario import make_scenario, read_scenario
from dsocr_symbolic.scenario.values import choose, own_options

NETWORKS = ("deepseek-ocr", "qwen3", "mixtral", "gemma3_text", "deepseek_v2", "deepseek_ocr2_text")
TC, CC, BYTES, LAUNCHES = (
    "forward_tensor_core_flops",
    "forward_cuda_core_flops",
    "forward_io_bytes",
    "operator_launches",
)
STAGES = ("prefill/model/layers", "prefill/layers", "decode/model/layers", "decode/layers")
BUNDLE = {
    "attention": "flash",
    "logits": "last",
    "experts": "grouped",
    "cache": "paged",
    "kernels": "compiler",
    "vision": "compiled",
    "host": "graph-decode",
}


def _stages(model: str = "deepseek-ocr", values: dict[str, Any] | None = None, **choices: str) -> dict[str, Any]:
    scenario = make_scenario(definition=find_definition(model), choices=choices, settings=values or {})
    return dict(answer(scenario).stages)


def test_one_choice_makes_the_others_and_each_of_them_wins_alone() -> None:
    definition = find_definition("deepseek-ocr")
    served = choose(definition, {"execution": "served"})
    assert {name: served[name] for name in BUNDLE} == BUNDLE
    for name in BUNDLE:
        for option in definition.choices[name].options:
            alone = choose(definition, {"execution": "served", name: option})
            assert alone == {**served, name: option}
    assert own_options(definition, served) == {"execution": "served"}
    assert choose(definition, {"execution": "checkpoint"}) == choose(definition, {})


def test_what_was_chosen_stays_in_a_comparison_of_executions() -> None:
    base = make_scenario(definition=find_definition("deepseek-ocr"), choices={"logits": "all"})
    _, served = read_scenario("execution=served", base)
    assert served.options["logits"] == "all"
    assert {name: served.options[name] for name in BUNDLE if name != "logits"} == {
        name: option for name, option in BUNDLE.items() if name != "logits"
    }
    _, back = read_scenario("execution=checkpoint", served)
    assert back.options == base.options


def test_a_model_keeps_what_was_chosen_where_an_execution_varies() -> None:
    """Even where that is what a checkpoint does anyway."""
    model = load_model(experts="loop", host="eager")
    varied = dict(_options(model, {"execution": "served"}))
    assert {name: varied[name] for name in ("experts", "host", "cache")} == {
        "experts": "loop",
        "host": "eager",
        "cache": "paged",
    }
    assert load_model(execution="served", experts="loop").options != load_model(execution="served").options


@pytest.mark.parametrize("model", NETWORKS)
def test_a_server_reads_less_in_fewer_launches_and_owns_the_same(model: str) -> None:
    # Its own code expands latents anew at each step.
    own = {"attention": "absorbed"} if model == "deepseek_v2" else {}
    plain, served = _stages(model, **own), _stages(model, execution="served")
    assert plain["decode"]["parameters"] == served["decode"]["parameters"]
    # The checkpoint makes its rotary angles by a small product, a server looks them up.
    assert 0.9999 * plain["decode"][TC] < served["decode"][TC] <= plain["decode"][TC]
    for metric in (BYTES, LAUNCHES):
        assert served["decode"][metric] < plain["decode"][metric]


@pytest.mark.parametrize("model", [name for name in NETWORKS if name != "gemma3_text"])
def test_an_engine_s_own_kernels_move_less_in_fewer_launches(model: str) -> None:
    """Those of Gemma do not: a norm behind the attention is a kernel apart there, which a compiler has in one."""
    served, fused = (_stages(model, execution="served", kernels=kernels) for kernels in ("compiler", "fused"))
    for stage in ("prefill", "decode"):
        assert fused[stage][TC] == served[stage][TC]
        assert fused[stage][BYTES] < served[stage][BYTES]
        assert fused[stage][LAUNCHES] < served[stage][LAUNCHES]


def test_the_decoder_of_the_second_deepseek_ocr_is_served_as_the_first_one() -> None:
    """Both have the same sizes, and what the first one launches is counted against its reference."""
    asked = {"prompt_tokens": 903, "new_tokens": 3}

    def launched(model: str, kernels: str, **more: Any) -> list[tuple[Any, ...]]:
        definition, choices = find_definition(model), {"execution": "served", "kernels": kernels}
        found = answer(make_scenario(definition=definition, choices=choices, settings={**asked, **more}))
        inside = [each for each in found.nodes if each.row.aten and each.row.path.startswith(STAGES)]
        sums: dict[tuple[str, str], list[Any]] = {}
        for node in inside:
            row = sums.setdefault((node.row.stage, node.row.aten), [0, 0, 0, 0])
            for place, metric in enumerate((TC, CC, BYTES, LAUNCHES)):
                row[place] += node.metrics[metric]
        return sorted((*key, *(float(number) for number in row)) for key, row in sums.items())

    for kernels in ("compiler", "fused"):
        first = launched("deepseek-ocr", kernels, image_tokens=0)
        assert launched("deepseek_ocr2_text", kernels) == [
            (stage, aten, *(pytest.approx(number, rel=1e-12) for number in numbers)) for stage, aten, *numbers in first
        ]


@pytest.mark.parametrize("model", ["deepseek-ocr", "llama"])
@settings(max_examples=6, deadline=None)
@given(tokens=st.integers(2, 300), chunk=st.integers(1, 300), held=st.integers(0, 200))
def test_chunks_add_up_to_the_whole_prompt(model: str, tokens: int, chunk: int, held: int) -> None:
    """Products and what is written to the cache are those of one forward; weights are read once for each chunk."""
    prompt = {"image_tokens": 0, "prompt_tokens": tokens} if model == "deepseek-ocr" else {"prompt_tokens": tokens}
    held = min(held, tokens - 1)
    definition = find_definition(model)

    def nodes(chunk: int) -> dict[str, Any]:
        values = {**prompt, "cached_tokens": held, "chunk_tokens": chunk, "page_tokens": 1}
        scenario = make_scenario(definition=definition, choices={"execution": "served"}, settings=values)
        found: dict[str, Any] = {}
        for node in answer(scenario).nodes:
            if node.row.stage == "prefill" and node.row.aten in ("mm", "_grouped_mm", "write_pages"):
                key = node.row.path.replace("/rest/", "/").replace("prefill/model/rest", "prefill/model")
                sums = found.setdefault(key, [0, 0])
                sums[0] += node.metrics[TC]
                sums[1] += node.metrics[LAUNCHES]
        return found

    whole, parts = nodes(tokens), nodes(chunk)
    assert {path: flops for path, (flops, _) in whole.items()} == {path: flops for path, (flops, _) in parts.items()}
    forwards = -(-(tokens - held) // min(chunk, tokens - held))
    inside = [path for path in whole if "/layers" in path]
    assert inside
    for path in inside:
        assert parts[path][1] == forwards * whole[path][1]


@settings(max_examples=4, deadline=None)
@given(batch=st.integers(1, 64), prompt=st.integers(1, 600))
def test_grouped_experts_multiply_as_the_loop_does(batch: int, prompt: int) -> None:
    values = {"image_tokens": 0, "batch": batch, "prompt_tokens": prompt}
    loop, grouped = (
        _stages(values=values, execution="served", experts=experts, host="eager") for experts in ("loop", "grouped")
    )
    for stage in ("prefill", "decode"):
        assert grouped[stage][TC] == loop[stage][TC]
        assert grouped[stage]["parameters"] == loop[stage]["parameters"]


def test_seconds_of_a_server_are_in_the_document() -> None:
    found = dsocr("totals", "--execution", "served", "--gpu", "h200", "--format", "json")
    document = json.loads(found.out)
    assert document["choices"]["execution"] == "served"
    for stage in ("vision", "projector", "prefill", "decode"):
        assert document["stages"][stage]["device_s"] > 0
        assert document["stages"][stage]["wall_s"] > 0
    assert "execution served" in dsocr("totals", "--execution", "served").out
    assert "execution checkpoint" in dsocr("totals").out


def test_pages_are_cut_into_six_but_a_stated_grid_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.png"
    Image.new("1", (640, 5120)).save(page)
    grids = {}
    for execution in ("checkpoint", "served"):
        found = dsocr("totals", "--document", str(page), "--execution", execution, "--format", "json")
        assert found.status == 0, found.err
        document = json.loads(found.out)
        grids[execution] = document["cutting"]["most"]
    assert grids == {"checkpoint": 9, "served": 6}
    asked = ("totals", "--document", str(page), "--execution", "served", "--max-crops", "8", "--format", "json")
    assert json.loads(dsocr(*asked).out)["cutting"]["most"] == 8
    stated = dsocr("totals", "--execution", "served", "--set", "crop_columns=3", "--set", "crop_rows=3")
    assert stated.status == 0, stated.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--execution", "served", "--set", "chunk_tokens=0"), "chunk_tokens: 0 is less than 1"),
        (("--execution", "served", "--experts", "loop"), "no CUDA graph captures it: add --experts grouped"),
        (("--kernels", "fused"), "add --cache paged"),
        (("--set", "cached_tokens=5"), "add --kernels compiler"),
        (("--execution", "served", "--set", "cached_tokens=912"), "cached_tokens is less than prompt_tokens = 903"),
        (("--model", "deepseek_v2", "--execution", "served", "--attention", "expanded"), "add --attention absorbed"),
        (("--model", "deepseek_v2", "--execution", "served", "--experts", "batched"), "add --experts grouped"),
        (("--model", "deepseek_v2", "--kernels", "compiler", "--attention", "absorbed"), "--experts grouped"),
        (("--model", "deepseek_v2", "--cache", "paged"), "ask --cache grown with --kernels eager"),
        (("--model", "mixtral", "--kernels", "compiler"), "add --experts grouped"),
        (("--execution", "served", "--precision", "autocast"), "drop --precision autocast"),
        (("--execution", "vllm"), "execution: unknown option 'vllm'"),
    ],
)
def test_what_a_server_cannot_do_is_one_line(words: tuple[str, ...], says: str) -> None:
    assert_refused(dsocr("totals", *words), says)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ("a: {summary: x, default: y, options: {y: {choices: {b: z}}}}", "unknown choice 'b'"),
        ("a: {summary: x, default: y, options: {y: {choices: {a: y}}}}", "a sets options of other choices itself"),
        (
            (
                "a: {summary: x, default: y, options: {y: {choices: {b: z}}}}\n"
                "  c: {summary: x, default: y, options: {y: {choices: {b: z}}}}\n"
                "  b: {summary: x, default: z, options: {z: {}}}"
            ),
            "c sets b, too",
        ),
    ],
)
def test_a_bundle_of_options_that_cannot_be_is_one_line(choices: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(
        "summary: a network\nconstants: {width: {value: 8, letter: D, meaning: width}}\nworkload: {}\n"
        f"choices:\n  {choices}\n"
        "children: {up: {use: gate_steps, with: {elements: width}}}\n"
    )
    assert_refused(dsocr("totals", "--model", str(file)), says)
