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


def test_a_network_with_many_ways_to_fill_slots_has_a_few_programs() -> None:
    from dsocr_symbolic.explorer.page_data import page_data
    from dsocr_symbolic.explorer.programs import kept_choices, variants
    from dsocr_symbolic.language.lookup import find_definition

    definition = find_definition("deepseek_v2")
    kept = kept_choices(definition)
    assert len(variants(definition)) <= 8
    assert "attention" in kept
    choices = {choice["name"]: choice for choice in page_data(definition)["choices"]}
    assert list(choices["attention"]["options"]) == ["expanded", "absorbed"]
    assert all(
        len(choice["options"]) == 1
        for name, choice in choices.items()
        if name not in kept and any(option.slots for option in definition.choices[name].options.values())
    )
