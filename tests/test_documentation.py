"""Pages of the formulas: what they print is right, can be set, links, and is what is committed."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import sympy
from attrs import evolve
from conftest import Terminal, evaluate_model
from test_cli import assert_refused, dsocr, main

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.symbolic import nonzero, positive, symbol
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.expression import evaluate, parse
from dsocr_symbolic.language.formula import Layer
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.measurement.prediction import load_components
from dsocr_symbolic.network.leaves import metric_expression
from dsocr_symbolic.regenerate import formula_pages
from dsocr_symbolic.reports.formulas.alone import initial, stand_alone
from dsocr_symbolic.reports.formulas.fillings import example_values
from dsocr_symbolic.reports.formulas.layout import Scripts
from dsocr_symbolic.reports.formulas.layout import steps as steps_of
from dsocr_symbolic.reports.formulas.page import FormulaPage, pages, rendered_pages
from dsocr_symbolic.reports.formulas.places import Places, lay_out
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.verification.mutants.counting import used
from dsocr_symbolic.writing.files import write_files
from dsocr_symbolic.writing.latex import Script, number_latex, numeric_script, width, words, written

ROOT = Path(__file__).parent.parent
KATEX = Path(__file__).parent / "katex"
OF_A_CALL = ("flow", "stock", "boundary", "peak")
OTHERS = (
    "parameters",
    "forward_weight_bytes",
    "forward_kv_cache_bytes",
    "forward_fused_io_bytes",
    "backward_weight_bytes",
)
FLOWS = [name for name, metric in load_metrics().items() if metric.kind == "flow"]


def places_of(workload: str = "gundam", **choices: str) -> Places:
    definition = find_definition("deepseek-ocr")
    return lay_out(make_scenario(definition=definition, workload=workload, choices=choices))


@pytest.fixture(scope="module")
def made() -> Mapping[str, FormulaPage]:
    return {page.name: page for page in pages(places_of())}


@pytest.fixture(scope="module")
def texts(made: Mapping[str, FormulaPage]) -> Mapping[str, str]:
    """Render the pages that are made already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsocr_symbolic.reports.formulas.page.pages", lambda _: iter(made.values()))
        return formula_pages()


def blocks_of(text: str) -> list[str]:
    return re.findall(r"```math\n(.*?)\n```", text, re.DOTALL)


# files


def test_committed_pages_are_what_the_code_writes(texts: Mapping[str, str]) -> None:
    folder = ROOT / "reports" / "formulas"
    committed = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*.md")}
    stale = sorted(name for name in {**committed, **texts} if committed.get(name) != texts.get(name))
    assert stale == [], "run python -m dsocr_symbolic.regenerate, and delete what no formula stands for"


def _called_by_other_networks() -> set[str]:
    formulas = load_library().formulas
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "formulas" / "models").glob("*.yaml")]
    named = {word for text in files for word in re.findall(r"\w+", text)} & {*formulas}
    waiting = [*named]
    for name in waiting:
        more = (used(formulas[name]) & {*formulas}) - named
        named |= more
        waiting += more
    return named


def test_every_formula_has_a_page(texts: Mapping[str, str]) -> None:
    files = [*(ROOT / "formulas" / "layers").rglob("*.yaml"), *(ROOT / "formulas" / "operators").rglob("*.yaml")]
    stems = {name.partition("/")[2].removesuffix(".md") for name in texts}
    families = {each.family for each in load_library().formulas.values() if not isinstance(each, Layer)}  # type: ignore[attr-defined]
    # What dsocr measure runs of the network and no part of it calls has none.
    measured = {call.layer.rpartition("/")[2] for each in load_components().values() for call in each.layers} - stems
    # What other networks alone call has its page with them: dsocr docs --model NAME.
    elsewhere = _called_by_other_networks() - stems
    assert {path.stem for path in files} <= stems | families | measured | elsewhere
    assert len(texts) == len(load_library().formulas) + 1 - len(measured | elsewhere)


def test_every_link_leads_somewhere(texts: Mapping[str, str]) -> None:
    anchors = {name: set(re.findall(r"^#+ (.*)$", text, re.MULTILINE)) for name, text in texts.items()}
    links = 0
    for name, text in texts.items():
        for target in re.findall(r"\]\(([^)]*)\)", text):
            file, _, anchor = target.partition("#")
            parts = [*Path(name).parent.parts, *Path(file).parts] if file else [name]
            while ".." in parts:
                place = parts.index("..")
                del parts[place - 1 : place + 1]
            found = "/".join(parts)
            assert found in texts, (name, target)
            assert not anchor or anchor in {each.lower() for each in anchors[found]}, (name, target)
            links += 1
    assert links > 1000


def test_pages_are_clean_text(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        assert not re.search(r"[ \t]+$|\n\n\n|\{\{|\{%(?!\w)|None", text.replace("{{}", ""), re.MULTILINE), name
        assert text.endswith("\n")


def test_no_table_cell_holds_a_formula_block(texts: Mapping[str, str]) -> None:
    for text in texts.values():
        assert not [line for line in text.splitlines() if line.startswith("|") and "\\begin" in line]


# LaTeX


@pytest.fixture(scope="module")
def renderers() -> Path:
    """Install KaTeX and MathJax beside the tests, once."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed; formulas are neither parsed by KaTeX nor set by MathJax")
    if not all((KATEX / "node_modules" / name).is_dir() for name in ("katex", "mathjax-full")):
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        made = subprocess.run(command, cwd=KATEX, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"npm cannot install KaTeX and MathJax here: {made.stderr.strip()[-200:]}")
    return KATEX


@pytest.fixture(scope="module")
def katex(renderers: Path) -> Path:
    return renderers / "parse.js"


def refused_by(katex: Path, formulas: list[str]) -> Any:
    found = subprocess.run(["node", katex], input=json.dumps(formulas), capture_output=True, text=True, check=True)  # noqa: S607
    return json.loads(found.stdout)


def test_katex_parses_every_formula(katex: Path, texts: Mapping[str, str]) -> None:
    formulas = [block for text in texts.values() for block in blocks_of(text)]
    letters = {each for text in texts.values() for each in re.findall(r"\| \$(.+?)\$ \|", text)}
    assert len(formulas) > 1000
    assert len(letters) > 100
    assert {r"\alpha", "b_{kv}", r"c_{\sqrt{}}"} & letters
    assert refused_by(katex, [*formulas, *sorted(letters)]) == []


def test_katex_refuses_what_is_wrong(katex: Path) -> None:
    found = refused_by(katex, [r"\frac{1}{2}", r"\frac{1", r"\unknown", r"\text{a_b}", "ü"])
    assert [each["formula"] for each in found] == [r"\frac{1", r"\unknown", r"\text{a_b}", "ü"]


PIXELS, LETTER = 850, 16
SCRIPTS = Scripts(letters=Script(letters={}), numbers=numeric_script({"x": 3}, {}))


def pixels_of(renderers: Path, formulas: list[str]) -> list[float]:
    """Return how wide MathJax sets formulas, where letters are as high as on a page."""
    command = ["node", renderers / "widths.js"]
    found = subprocess.run(command, input=json.dumps(formulas), capture_output=True, text=True, check=True)
    return [LETTER * wide for wide in json.loads(found.stdout)]


def guessed(block: str) -> float:
    """Guess the width of a block from its rows: the widest formula, and the widest words beside one."""
    rows = [row.partition("&&") for row in re.sub(r"\\(?:begin|end)\{aligned\}", "", block).split("\\\\\n")]
    return max(width(row[0]) for row in rows) + max(width(row[2]) for row in rows)


def test_pages_are_narrow(renderers: Path, texts: Mapping[str, str]) -> None:
    blocks = [block for text in texts.values() for block in blocks_of(text)]
    widest = sorted(set(blocks), key=guessed)[-60:]
    found = pixels_of(renderers, [*widest, r"\mathrm{m}"])
    assert found[-1] == pytest.approx(0.833 * LETTER, abs=0.1)
    assert max(found) < PIXELS, widest[found.index(max(found))]
    assert max(found) > 0.8 * PIXELS


def test_words_beside_a_formula_take_lines_of_their_own() -> None:
    label = "vision/crops/sam_model/blocks.global, handed from repeat to repeat, its page has other sizes"
    first, *others = steps_of("Q", symbol("x"), 3, SCRIPTS, label=label)
    assert first.startswith("Q &= ")
    assert all(row.startswith("& && ") for row in others)
    said = "".join(row.partition("&& ")[2] for row in (first, *others))
    assert (
        re.sub(r"\\text\{([^}]*)\}|\\(_)", r"\1\2", said).replace(",", ", ").replace(", ,", ",").split()
        == label.split()
    )
    assert len(others) >= 2


def test_a_letter_has_one_meaning_on_a_page(made: Mapping[str, FormulaPage]) -> None:
    """Those of the files do: no symbol is written by its name for want of a letter."""
    registry = load_metrics()
    quantities = find_definition("deepseek-ocr").quantities
    for page in made.values():
        letters = {row.name: row.letter for row in (*page.symbols, *page.shared)}
        given = {name: symbol.letter for name, symbol in page.formula.symbols.items()}
        assert letters == {name: given.get(name) or quantities[name].letter for name in letters}, page.name
        assert len(set(letters.values())) == len(letters), page.name
        metrics = {initial(registry[section.metric].latex) for section in page.sections}
        assert not metrics & {initial(letter) for letter in letters.values()}, page.name
    assert [initial(latex) for latex in ("F_{TC}", "Q'", r"\tau_v", "b", "")] == ["F", "Q", r"\tau", "b", ""]


def test_letters_that_clash_give_way_to_names() -> None:
    """A layer of a user takes F, Q and a letter twice; another one takes that of the model's weights."""
    places = places_of()
    formula = load_library()["deepseek_v2_mlp"]
    clashing = {
        "tokens": evolve(formula.symbols["tokens"], letter="Q"),
        "hidden_size": evolve(formula.symbols["hidden_size"], letter="b_w"),
        "intermediate_size": evolve(formula.symbols["intermediate_size"], letter="F_x"),
    }
    alone = stand_alone(places, evolve(formula, symbols=clashing), dict.fromkeys(clashing, 2))
    assert {name: alone.letters[name] for name in (*clashing, "weight")} == {
        "tokens": r"\mathrm{tokens}",
        "hidden_size": "b_w",
        "intermediate_size": r"\mathrm{intermediate\_size}",
        "weight": r"\mathrm{weight}",
    }


def test_formulas_are_short_enough_to_be_set(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        for block in blocks_of(text):
            assert len(block) < 5000, name
            for row in block.splitlines()[1:-1]:
                formula = row.partition("&&")[0]
                assert width(formula) < 90, (name, formula)


# what is printed is right


def to_formula(latex: str) -> str:
    """Translate numbers put in back into the formula language."""

    def condition(found: re.Match[str]) -> str:
        inside = found.group(1).replace(r"\neq", "!=").replace(r"\leq", "<=")
        return f"({re.sub(r'(?<![!<>])=(?!=)', '==', inside)})"

    text = latex.replace("{,}", "").replace(r"\cdot", "*").replace(r"\ ", " ").replace(r"\,", " ")
    while r"\left[" in text:
        text = re.sub(r"\\left\[((?:(?!\\left\[).)*?)\\right\]", condition, text)
    text = re.sub(r"\^\{(\d+)\}", r"**\1", text)
    text = text.replace(r"\left\lceil", "ceiling(").replace(r"\right\rceil", ")")
    text = text.replace(r"\max\left(", "Max(")
    text = re.sub(r"\\(?:left|right|bigl|bigr)", "", text)
    while r"\frac" in text:
        text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", text)
    return powers(text.replace("{}", ""))


def powers(text: str) -> str:
    """Write ``(base)^{exponent}`` with a formula for an exponent as the language does."""
    while (place := text.find("^{")) >= 0:
        start, depth = place - 1, 1
        while depth:
            start -= 1
            depth += {")": 1, "(": -1}.get(text[start], 0)
        end = text.index("}", place)
        text = f"{text[:start]}power{text[start : place - 1]}, {text[place + 2 : end]}){text[end + 1 :]}"
    return text


def chains(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each quantity of a block and what it is equal to, step by step."""
    joined = ""
    for row in block.splitlines()[1:-1]:
        formula = row.removesuffix("\\\\").partition("&&")[0].strip()
        if formula == "&":
            continue  # more words beside the row above
        if formula.startswith(r"&\quad {}"):
            joined += formula.removeprefix(r"&\quad {}")
        elif formula.startswith("&="):
            joined += f" = {formula.removeprefix('&=')}"
        else:
            if joined:
                yield _split(joined)
            joined = formula.replace("&=", "=", 1)
    yield _split(joined)


def _split(joined: str) -> tuple[str, list[str]]:
    """Cut a chain at its equals signs; those of conditions stand in brackets."""
    steps, depth = [""], 0
    for word in re.split(r"(\\left\[|\\right\]| = )", joined):
        depth += {r"\left[": 1, r"\right]": -1}.get(word, 0)
        if word == " = " and depth == 0:
            steps.append("")
        else:
            steps[-1] += word
    name, *others = (step.strip() for step in steps)
    return name, others


def number(step: str) -> Any | None:
    """Evaluate a step that holds nothing but numbers."""
    text = re.sub(r"\\ \\text\{\w+\}$", "", step)
    if re.search(
        r"[A-Za-z]", re.sub(r"\\(?:left|right|bigl|bigr|frac|cdot|neq|leq|max|lceil|rceil)(?![a-z])", "", text)
    ):
        return None
    return evaluate(parse(to_formula(text), step), {}, arithmetic)


def test_numbers_put_in_give_the_printed_result(texts: Mapping[str, str]) -> None:
    checked = 0
    for name, text in texts.items():
        for block in blocks_of(text):
            for quantity, steps in chains(block):
                found = [value for step in steps if (value := number(step)) is not None]
                assert found, (name, quantity)
                assert len(set(found)) == 1, (name, quantity, steps)
                checked += len(found) > 1
    assert checked > 1500


def test_parts_add_up(texts: Mapping[str, str]) -> None:
    checked = 0
    for name, text in texts.items():
        known: dict[str, Any] = {}
        for block in blocks_of(text):
            for quantity, steps in chains(block):
                values = [value for step in steps if (value := number(step)) is not None]
                parts = steps[0].split(" + ")
                if len(parts) > 1 and all(part.strip() in known for part in parts):
                    assert sum(known[part.strip()] for part in parts) == values[-1], (name, quantity)
                    checked += 1
                known[quantity] = values[-1]
    assert checked > 300


def test_pages_agree_with_the_compiled_model(made: Mapping[str, FormulaPage]) -> None:
    definition = find_definition("deepseek-ocr")
    trained = make_scenario(definition=definition, choices={"train": "all"})
    nodes = {node.row.path: node for node in answer(trained).nodes}
    checked = 0
    for page in made.values():
        node = nodes.get(page.path)
        if page.source != "call" or node is None or node.row.layer != page.name or page.last_step:
            continue
        found = {section.metric: section.value for section in page.sections}
        # A call of the network may stand where no gradient is needed; a page says what it costs where one is.
        flows = FLOWS if isinstance(page.formula, Layer) else [each for each in FLOWS if "backward" not in each]
        # How many kernels run hangs on how the caller's tensors lie.
        flows = [each for each in flows if each != "device_kernels"]
        for metric in (*flows, *(OTHERS if node.calls == 1 else ())):
            assert found.get(metric, 0) * node.calls == node.metrics[metric], (page.name, metric)
            checked += 1
    assert checked > 400


def test_numbers_are_exact() -> None:
    places = places_of()
    for formula in places.library.formulas.values():
        alone = stand_alone(places, formula, example_values(places, formula))
        for metric in [name for name, each in load_metrics().items() if each.kind in ("flow", "stock", "boundary")]:
            expression = metric_expression((alone.node,), metric)
            if expression is None:  # a server's code has no backward
                assert metric.startswith("backward")
                continue
            expression = sympy.sympify(expression)
            put_in = {each: sympy.Rational(*_ratio(alone.numbers[each.name])) for each in expression.free_symbols}
            assert alone.exact(expression) == expression.xreplace(put_in), (formula.name, metric)


def _ratio(value: Any) -> tuple[int, int]:
    return Fraction(value).as_integer_ratio()


def test_sections_hold_the_metrics_of_the_call(made: Mapping[str, FormulaPage]) -> None:
    places = places_of()
    for page in made.values():
        names = [section.metric for section in page.sections]
        assert sorted([*names, *page.zeros]) == sorted(
            name for name, metric in load_metrics().items() if metric.kind in OF_A_CALL
        )
        given = {row.name: row.value for row in page.symbols}
        assert list(given) == list(places.library[page.formula.name].symbols)


def test_every_symbol_of_a_formula_is_explained(made: Mapping[str, FormulaPage]) -> None:
    for page in made.values():
        known = {row.name for row in (*page.symbols, *page.shared)} | set(page.formula.let)
        for section in page.sections:
            assert section.used <= known, (page.name, section.metric)


# from the picture to FLOPs


def test_windowed_attention_can_be_followed_from_the_picture() -> None:
    found = dict(rendered_pages(places_of("base")))
    encoder, block, attention = (found[f"vision/{name}.md"] for name in ("image_encoder_vit", "block", "attention"))
    assert r"\mathrm{grid} &= \frac{s}{p} = \frac{1024}{16} = 64" in encoder
    assert r"= 976{,}909{,}172{,}736\ \text{FLOP}" in encoder
    assert r"= \left\lceil \frac{64}{14} \right\rceil^{2} = 25" in block
    assert "`images = batch*windows`" in block
    (total,) = {steps[-1] for part in blocks_of(attention) for name, steps in chains(part) if name == "F_{TC}"}
    (part,) = {steps[-1] for part in blocks_of(block) for name, steps in chains(part) if name == "F_{TC,5}"}
    assert total == rf"{part}\ \text{{FLOP}}"


def test_what_repeats_over_steps_is_shown_at_its_last_step(made: Mapping[str, FormulaPage]) -> None:
    page = made["operators/append_cache"]
    assert page.path.startswith("decode/")
    assert page.last_step
    (old,) = (row.value for row in page.symbols if row.name == "old")
    assert old == f"{(903 + 512 - 1) * 1280:,}"


def test_a_page_shows_the_default_filling_of_its_slots(made: Mapping[str, FormulaPage]) -> None:
    page = made["decoder/deepseek_v2_decoder_layer"]
    assert page.path == "prefill/layers.1-11"
    assert ("mlp", "decoder/deepseek_v2_moe") in page.fillings


def test_what_stands_inline_takes_the_values_of_its_caller(made: Mapping[str, FormulaPage]) -> None:
    page = made["decoder/deepseek_v2_model"]
    assert page.places == ()
    assert page.path == made["core/language_model"].path == "prefill"


def test_choices_decide_the_pages() -> None:
    wanted = {"llama/attend_eager": "call", "llama/attend_flash": "example"}
    eager = (page for page in pages(places_of(attention="eager")) if page.name in wanted)
    # Pages are made one at a time, in the order of their names: those behind are not made.
    assert {page.name: page.source for page in islice(eager, len(wanted))} == wanted


def test_moments_say_what_is_alive(made: Mapping[str, FormulaPage]) -> None:
    nodes = {node.row.path: node for node in evaluate_model("gundam").nodes}
    for name in ("vision/attention", "vision/block", "decoder/deepseek_v2_moe", "operators/linear"):
        page = made[name]
        (section,) = (each for each in page.sections if each.metric == "forward_activation_bytes")
        assert section.value == nodes[page.path].metrics["forward_activation_bytes"]


def test_verification_is_what_the_results_say(made: Mapping[str, FormulaPage]) -> None:
    results = json.loads((ROOT / "reports" / "verification" / "reference.json").read_text(encoding="utf-8"))["layers"]
    for name, page in made.items():
        calls = [each.calls for each in page.record.evidence if each.counted_on == "the torch reference"]
        assert calls == ([results[name]["calls"]] if name in results else [])
    assert "counted inside" in made["vision/abs_pos"].record.uncounted


# letters


N, M = symbol("n"), symbol("m")


@pytest.mark.parametrize(
    ("expression", "letters", "numbers"),
    [
        (2 * N * M, r"2 \, m \, n", r"2 \cdot 5 \cdot 12{,}000"),
        (N**2 / M, r"\frac{n^{2}}{m}", r"\frac{12{,}000^{2}}{5}"),
        (N - 1, "n - 1", r"12{,}000 - 1"),
        (M * (N + 1), r"m \, \left(1 + n\right)", r"5 \cdot \left(1 + 12{,}000\right)"),
        (positive(N - M) * N, r"n \, \left[n > m\right]", r"12{,}000 \cdot \left[12{,}000 > 5\right]"),
        (1 - nonzero(N - M), r"\left[m = n\right]", r"\left[5 = 12{,}000\right]"),
        (1 - positive(N), r"\left[n = 0\right]", r"\left[12{,}000 = 0\right]"),
    ],
)
def test_expressions_are_written_as_a_person_writes(expression: Any, letters: str, numbers: str) -> None:
    order = {"m": 0, "n": 1}
    assert written(expression, Script(letters={"n": "n", "m": "m"}, order=order)) == letters
    assert written(expression, numeric_script({"n": 12_000, "m": 5}, order)) == numbers


@pytest.mark.parametrize(
    ("value", "expected"),
    [(9999, "9999"), (10_000, "10{,}000"), (Fraction(-1, 2), r"-\frac{1}{2}"), (0.25, "0.25"), (0, "0")],
)
def test_numbers_in_latex(value: Any, expected: str) -> None:
    assert number_latex(value) == expected


def test_words_keep_their_underscores() -> None:
    assert words("rel_h, see its page") == r"\text{rel}\_\text{h, see its page}"


# the command


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render two pages only."""
    monkeypatch.setattr(
        "dsocr_symbolic.reports.formulas.page.rendered_pages",
        lambda _: iter([("a/b.md", "one\n"), ("index.md", "two\n")]),
    )


@pytest.mark.usefixtures("few")
def test_docs_writes_pages(tmp_path: Path) -> None:
    answer = dsocr("docs", "--out", tmp_path / "new" / "pages")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == f"2 pages in {tmp_path / 'new' / 'pages'}; begin with index.md\n"
    assert (tmp_path / "new" / "pages" / "a" / "b.md").read_text() == "one\n"
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == ["a", "b.md", "index.md", "pages"]


@pytest.mark.usefixtures("few")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_refused(dsocr("docs", "--out", tmp_path / "file"), "cannot be written")
    assert_refused(dsocr("docs", "--out", tmp_path / "file" / "below"), "cannot be written")
    assert (tmp_path / "file").read_text() == ""


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a.md": "old\n"})

    def full(path: Path, text: str, **_: Any) -> int:
        with path.open("w") as file:
            file.write(text[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="no space left"):
        write_files(tmp_path, {"a.md": "new\n"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.md": "old\n"}


@pytest.mark.usefixtures("few")
def test_a_mistake_is_found_before_anything_is_written(tmp_path: Path) -> None:
    assert_refused(dsocr("docs", "--out", tmp_path, "--workload", "gundm"), "unknown workload 'gundm'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few", "impatient")
def test_progress_shows_on_a_terminal_alone(tmp_path: Path) -> None:
    assert dsocr("docs", "--out", tmp_path).err == ""
    terminal = Terminal()
    with redirect_stderr(terminal), redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as stop:
        main(["docs", "--out", str(tmp_path)])
    assert stop.value.code == 0
    assert "pages" in terminal.getvalue()
