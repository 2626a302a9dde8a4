"""The way into Python: load_model, its documented examples, the README."""

import doctest
import json
import re
from pathlib import Path

import pytest
from conftest import evaluate_model

import dsocr_symbolic
from dsocr_symbolic import load_model, python_api


def test_the_package_offers_the_api() -> None:
    assert dsocr_symbolic.load_model is python_api.load_model
    assert issubclass(dsocr_symbolic.UserError, Exception)
    with pytest.raises(AttributeError, match="lod_model"):
        dsocr_symbolic.lod_model  # noqa: B018


def test_config_gives_sizes_when_compiled(tmp_path: Path) -> None:
    sizes = {"hidden_size": 640, "num_hidden_layers": 6, "first_k_dense_replace": 1, "num_attention_heads": 10}
    sizes |= {"intermediate_size": 6848, "moe_intermediate_size": 896, "n_routed_experts": 32, "n_shared_experts": 2}
    sizes |= {"num_experts_per_tok": 6, "vocab_size": 1000, "max_position_embeddings": 8192}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "deepseek_vl_v2"} | sizes))
    model = load_model(config=path)
    assert dict(model.config) == sizes
    assert model.total("parameters") == load_model().total("parameters")
    found = model.compile("parameters", over=[], by="total")()["parameters"]["total"]
    assert found == evaluate_model("gundam", sizes).total["parameters"]


def test_doctests_run() -> None:
    result = doctest.testmod(python_api, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted >= 8
    assert result.failed == 0


def test_readme_python_section_runs() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Python.*?```python\n(.*?)```", readme, re.DOTALL)
    assert block
    test = doctest.DocTestParser().get_doctest(block.group(1), {}, "README", "README.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert runner.summarize().attempted >= 4
    assert runner.summarize().failed == 0
