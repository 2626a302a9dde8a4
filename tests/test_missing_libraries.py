"""``dsocr verify`` and ``dsocr torchinfo`` without what they need: one line that says what to install."""

import pytest
from test_cli import dsocr

from dsocr_symbolic.verification.calls import requirements

COMMANDS = (("verify",), ("verify", "--mutants"), ("verify", "--checkpoint", "none"), ("torchinfo",))
INSTALL = 'pip install "dsocr_symbolic[verify]"\n'


@pytest.fixture(autouse=True)
def _all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.13.0+cpu", "transformers": "5.23.0"}
    monkeypatch.setattr(requirements, "installed", versions.get)


def refused(*command: str) -> str:
    answer = dsocr(*command)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    return answer.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_library_that_is_not_installed(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "installed", lambda _: None)
    assert refused(*command) == f"dsocr: torch is not installed; counting needs 2.13: {INSTALL}"


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--checkpoint" not in command])
def test_a_library_of_another_version(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "installed", lambda _: "2.1.0")
    assert refused(*command).startswith("dsocr: torch 2.1.0 is installed; counting needs 2.13")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("error", [ImportError, OSError])
def test_a_library_that_cannot_be_loaded(
    command: tuple[str, ...], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: str) -> None:
        raise error("libcudart.so.12: cannot open shared object file\nsecond line")

    monkeypatch.setattr(requirements, "import_module", load)
    why = "libcudart.so.12: cannot open shared object file"
    assert refused(*command) == f"dsocr: torch cannot be imported ({why}): {INSTALL}"


@pytest.mark.parametrize(("library", "command"), [("torchinfo", "torchinfo"), ("transformers", "verify")])
def test_the_second_library(library: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if name == library:
            raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(requirements, "import_module", load)
    assert refused(command) == f"dsocr: {library} cannot be imported (No module named '{library}'): {INSTALL}"


def test_a_folder_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(requirements.Path, "cwd", gone)
    assert refused("verify") == "dsocr: the current folder is gone; change to another one\n"
