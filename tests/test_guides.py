"""README, guides and what stands in .github: outputs are real, examples run, links lead somewhere."""

import doctest
import re
from pathlib import Path

import pytest

from dsocr_symbolic.regenerate import guide_text
from dsocr_symbolic.reports.guide import GUIDES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "reports" / "guide"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / ".github").glob("*.md"), *FOLDER.glob("*.md")]


@pytest.mark.parametrize("name", GUIDES)
def test_committed_guides_are_what_the_code_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    committed = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert committed == guide_text(name), f"reports/guide/{name}.md is stale; run python -m dsocr_symbolic.regenerate"


def test_every_guide_is_generated_and_has_its_template() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(GUIDES)
    templates = {path.name.removesuffix(".md.jinja") for path in (ROOT / "templates" / "guide").iterdir()}
    assert templates == {*GUIDES, "head"}


# The example of sweeps needs dask: tests/test_sweep_dataset.py runs it.
@pytest.mark.parametrize("name", ["python", "solve-sensitivity-bounds-compare"])
def test_examples_in_python_run(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, name, f"{name}.md", 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(example)
    assert result.attempted >= 5
    assert result.failed == 0


def test_every_example_in_python_is_run_by_some_test() -> None:
    written = {path.stem for path in FOLDER.glob("*.md") if "```python" in path.read_text(encoding="utf-8")}
    assert written == {"python", "solve-sensitivity-bounds-compare", "sweep"}


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        file, _, anchor = target.partition("#")
        if file.startswith("https://"):
            continue
        path = (page.parent / file).resolve() if file else page
        assert path.is_relative_to(ROOT), f"{page.name}: {target}"
        assert path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in _anchors(path), f"{page.name}: {target}"


NAMED = re.compile(r"`((?:dsocr_symbolic|formulas|tests|hardware|templates|reports|\.github)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    for name in NAMED.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_readme_is_short_and_leads_to_every_guide() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # Of which 200 are outputs of three networks, of a server and of a plan.
    assert readme.count("\n") <= 490
    assert all(f"(reports/guide/{name}.md)" in readme for name in GUIDES)
