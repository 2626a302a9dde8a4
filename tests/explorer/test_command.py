"""``dsocr explore``: one page, whole or not at all."""

import re
from pathlib import Path

import pytest

from dsocr_symbolic import UserError
from dsocr_symbolic.cli import capture


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path: Path) -> None:
    out = tmp_path / "explorer.html"
    assert "bytes" in capture(["explore", "--model", "llama", "--out", str(out)])
    page = out.read_text(encoding="utf-8")
    assert len(page) < 10**6
    assert not re.search(r"""(?:src|href)=["']?https?:|@import|url\(""", page)
    # Formulas of the model stand in what was printed, not in the page's own script.
    script = page.rpartition("<script>")[2]
    assert not re.search(r"hidden_size|num_experts|vocab_size", script)
    assert "{{" not in page
    with pytest.raises(UserError, match="exists already; give --force"):
        capture(["explore", "--model", "llama", "--out", str(out)])
    assert capture(["explore", "--model", "llama", "--out", str(out), "--force"])
    assert out.read_text(encoding="utf-8") == page


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder; make it first"):
        capture(["explore", "--out", str(tmp_path / "nowhere" / "explorer.html")])


def test_a_page_has_few_programs_and_every_option() -> None:
    from dsocr_symbolic.explorer.page_data import page_data
    from dsocr_symbolic.explorer.variants import filling_choices, key_of, variants
    from dsocr_symbolic.language.lookup import find_definition
    from dsocr_symbolic.scenario.values import choose

    for model in ("deepseek-ocr", "deepseek_v2", "qwen3"):
        definition = find_definition(model)
        held = variants(definition)
        assert len(held) <= 24
        listed = {choice["name"]: [*choice["options"]] for choice in page_data(definition)["choices"]}
        assert listed == {name: [*choice.options] for name, choice in definition.choices.items()}
        bundles = [
            {name: label}
            for name, choice in definition.choices.items()
            for label, option in choice.options.items()
            if option.choices
        ]
        assert all(key_of(definition, choose(definition, said)) in held for said in [{}, *bundles])
        # As many as a page may hold, where a network has more.
        for said in [{}, *bundles] if len(held) < 24 else ():
            singles = [{**said, name: label} for name in filling_choices(definition) for label in listed[name]]
            assert all(key_of(definition, choose(definition, each)) in held for each in singles)


def test_the_largest_page_is_smaller_than_a_megabyte() -> None:
    from dsocr_symbolic.explorer.page import explorer_page
    from dsocr_symbolic.language.lookup import find_definition

    assert len(explorer_page(find_definition("deepseek-ocr")).encode()) < 10**6
