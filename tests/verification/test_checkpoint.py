"""The checkpoint's folder: what would run, what is refused; its modules where DSOCR_CHECKPOINT names a folder."""

import json
import os
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.verification.calls import requirements
from dsocr_symbolic.verification.calls.comparison import compare
from dsocr_symbolic.verification.checkpoint import snapshot as checkpoint
from dsocr_symbolic.verification.checkpoint.calls import checkpoint_counts
from dsocr_symbolic.verification.checkpoint.snapshot import checkpoint_plan, read_snapshot

ENTRY = """\
import sys
from torchvision import transforms
from torchvision.transforms.functional import InterpolationMode
from .helper import answer
from . import other

sys.dsocr_was_run = answer
MODE = InterpolationMode.BICUBIC if hasattr(InterpolationMode, "BICUBIC") else "absent"
"""
HELPER = "from .other import *\nanswer = 42\n"


def config_text(**changes: Any) -> str:
    quantities = default_definition(None).quantities.values()
    config: dict[str, Any] = {
        each.config: int(str(each.formula.text)) for each in quantities if each.config and "." not in each.config
    }
    return json.dumps({"architectures": ["DeepseekOCRForCausalLM"], **config, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a snapshot of a few lines, one of them unused."""
    files = {
        "config.json": config_text(),
        "modeling_deepseekocr.py": ENTRY,
        "helper.py": HELPER,
        "other.py": "import json\n",
        "unused.py": "raise SystemExit\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        checkpoint_plan(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_plan_lists_what_would_run_and_runs_nothing(folder: Path) -> None:
    plan = checkpoint_plan(folder)
    lines = [re.split(r"\s{2,}| bytes  sha256 ", line.replace(" bytes  sha256 ", "  ")) for line in plan]
    assert lines[0][0] == "modeling_deepseekocr.py"
    assert {line[0] for line in lines} == {"modeling_deepseekocr.py", "helper.py", "other.py"}
    for name, size, digest in lines:
        source = (folder / name).read_bytes()
        assert (int(size), digest) == (len(source), sha256(source).hexdigest())
    assert not hasattr(sys, "dsocr_was_run")
    assert not (folder / "__pycache__").exists()


def test_counting_asks_for_the_library_before_it_runs_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"torch": "2.13.0", "transformers": "5.23.0"}
    monkeypatch.setattr(requirements, "installed", packages.get)
    with pytest.raises(UserError, match=r"transformers 5\.23\.0 is installed; the checkpoint's code needs 4\.46\.3"):
        checkpoint_counts(folder)
    assert not hasattr(sys, "dsocr_was_run")


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    assert "no such folder" in refusal(tmp_path / "file")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "it has no config.json" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "no readable JSON"),
        ("\x00", "no readable JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "is missing"),
        (config_text(architectures=["LlamaForCausalLM"]), "architectures"),
        (config_text(use_mla=True), "use_mla"),
        (config_text(hidden_size="wide"), "hidden_size"),
    ],
)
def test_no_config_of_this_network(folder: Path, text: str, expected: str) -> None:
    (folder / "config.json").write_text(text)
    assert expected in refusal(folder)


def test_missing_code_is_named_with_who_needs_it(folder: Path) -> None:
    (folder / "helper.py").unlink()
    assert "helper.py is missing, which modeling_deepseekocr.py needs" in refusal(folder)
    (folder / "modeling_deepseekocr.py").unlink()
    assert "modeling_deepseekocr.py is missing, which config.json needs" in refusal(folder)


@pytest.mark.parametrize(
    "source", ["def f(:\n", "x = '\x00'\n", "from ..above import x\n", "from .below.it import x\n"]
)
def test_code_that_cannot_be_followed(folder: Path, source: str) -> None:
    (folder / "helper.py").write_text(source)
    assert "helper.py" in refusal(folder)


def test_what_was_shown_is_what_runs_and_nothing_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dsocr_symbolic.verification.checkpoint import code as checkpoint_code

    snapshot = read_snapshot(folder)
    (folder / "helper.py").write_text("answer = 'changed'\n")
    monkeypatch.setattr(sys, "dsocr_was_run", None, raising=False)
    finder = checkpoint_code._Finder(snapshot)
    finder._absent = ("torchvision",)
    with checkpoint_code._served(finder):
        module = checkpoint_code.import_module(f"{checkpoint_code._PACKAGE}.{checkpoint.ENTRY}")
        with pytest.raises(ModuleNotFoundError):
            checkpoint_code.import_module(f"{checkpoint_code._PACKAGE}.unused")
    assert sys.dsocr_was_run == 42  # type: ignore[attr-defined]
    assert module.MODE == "absent"
    assert not [name for name in sys.modules if name.startswith((checkpoint_code._PACKAGE, "torchvision"))]
    assert finder not in sys.meta_path
    assert not (folder / "__pycache__").exists()


def test_subscripts_without_a_gpu_are_subscripts() -> None:
    torch = pytest.importorskip("torch", reason="subscripts are those of torch")
    from dsocr_symbolic.verification.checkpoint.host import subscript

    x, rows = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5), torch.tensor([[1, 0], [0, 1]])
    whole = slice(None)
    for index in (
        *(0, -1, None, rows, whole, slice(1, None), slice(-1, None), slice(0, 100), (..., 0), (..., slice(2))),
        *((None, whole, None), (whole, slice(1, 2), slice(None, 3), whole), (0, ..., slice(1, None)), (whole, rows)),
    ):
        assert torch.equal(subscript(x, index), x[index])


@pytest.mark.filterwarnings("ignore")
def test_the_checkpoint_counts_what_the_formulas_say() -> None:
    named = os.environ.get("DSOCR_CHECKPOINT")
    if not named:
        pytest.skip("DSOCR_CHECKPOINT names no snapshot: the checkpoint's own modules are not compared here")
    different, layers = [], set()
    for counted in checkpoint_counts(Path(named)):
        layers.add((counted.layer, counted.choices["precision"]))
        if (compared := compare(counted)).differences:
            different.append(compared)
    assert not different
    for precision in ("plain", "autocast"):
        assert ("core/deepseek_ocr_model", precision) in layers
    assert len(layers) == 2 * 26
