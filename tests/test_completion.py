"""Completion in shells: what stands where, asked of click in this process, and typed into real shells."""

import os
import pty
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from conftest import evaluate_model
from test_cli import TOP, _commands

from dsocr_symbolic.cli import main
from dsocr_symbolic.language.called import names_below
from dsocr_symbolic.language.lookup import default_definition, find_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.questions.completion import Named, OneOf
from dsocr_symbolic.questions.options import Filled
from dsocr_symbolic.scenario.values import choose, chosen_slots

DEFINITION = find_definition("deepseek-ocr")
FREE = [name for name, known in DEFINITION.quantities.items() if not known.fixed]
# Options whose values are no names: numbers, and files that click itself completes.
NUMBERS = (
    *("--reserve", "--memory-utilisation", "--max-crops", "--dpi", "--depth", "--port", "--waiting", "--seconds"),
    *("--page-tokens", "--max-num-seqs", "--max-num-batched-tokens", "--max-model-len"),
    *("--host-s", "--cores"),
    *("--pages-per-day", "--output-spread", "--ttft", "--tpot", "--concurrency", "--utilisation"),
)
# Of the machine that serves, which nobody can list.
ADDRESS = ("--host",)


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """Ask as zsh does, and return the words; ``file`` for files."""

    def ask(line: str, shell: str = "zsh") -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("_DSOCR_COMPLETE", f"{shell}_complete")
        with pytest.raises(SystemExit):
            main([])
        answer = capsys.readouterr()
        assert answer.err == ""
        lines = answer.out.splitlines()
        if shell == "bash":
            return [value or kind for kind, _, value in (line.partition(",") for line in lines if line)]
        triples = zip(lines[::3], lines[1::3], strict=False)
        return [value if kind == "plain" else kind for kind, value in triples]

    return ask


def test_names_of_every_kind(complete: Callable[[str], list[str]]) -> None:
    everywhere = [*(name for name in _commands(DEFINITION).commands)]
    assert sorted(complete("dsocr ")) == sorted(everywhere)
    assert complete("dsocr tot") == ["totals"]
    assert complete("dsocr totals --set ") == [f"{name}=" for name in FREE]
    assert complete("dsocr totals --set bat") == ["batch="]
    assert complete("dsocr totals --gpu ") == [*data_files("hardware")]
    assert complete("dsocr totals --gpu l4") == ["l4", "l40s"]
    assert complete("dsocr totals --gpu=l4") == ["--gpu=l4", "--gpu=l40s"]
    assert complete("dsocr tree --workload gun") == ["gundam", "gundam-served"]
    assert complete("dsocr formula total --metric ") == [*load_metrics()]
    assert complete("dsocr totals --attention ") == [*DEFINITION.choices["attention"].options]
    assert complete("dsocr totals --by la") == ["layer"]
    assert complete("dsocr sweep --by ") == ["stage", "total", "vision/", "projector/", "prefill/", "decode/"]
    assert complete("dsocr sensitivity --of dec") == ["decode/"]
    assert complete("dsocr totals --layer vision/mlp_p") == ["vision/mlp_projector"]
    assert complete("dsocr totals --layer deepseek_v2_mo") == ["deepseek_v2_model", "deepseek_v2_moe"]
    assert complete("dsocr solve ") == FREE
    assert complete("dsocr solve batch peak") == ["peak_memory_bytes"]
    assert complete("dsocr bounds exp") == ["experts_compute_bound"]
    assert complete("dsocr schema la") == ["layer"]
    assert sorted(complete("dsocr models --model deep")) == ["deepseek-ocr", "deepseek_ocr2_text", "deepseek_v2"]


def test_what_stands_behind_a_sign(complete: Callable[[str], list[str]]) -> None:
    assert complete("dsocr sweep --vary gpu=l4,l") == ["gpu=l4,l40s"]
    assert "attention=" in complete("dsocr sweep --vary atten")
    assert complete("dsocr sweep --vary attention=f") == ["attention=flash"]
    assert complete("dsocr sweep --vary crop_grid=") == ["crop_grid=all"]
    assert "crops=" not in complete("dsocr sweep --vary cro")
    assert complete("dsocr compare batch=1 workload=tiny,gpu=h20") == [
        "workload=tiny,gpu=h20",
        "workload=tiny,gpu=h200",
    ]
    assert complete("dsocr compare workload=tiny,bat") == ["workload=tiny,batch="]
    assert complete("dsocr sweep --vary gpu=l4,l", "bash") == ["l4,l40s"]
    assert complete("dsocr totals --gpu=l40", "bash") == ["l40s"]
    assert complete("dsocr totals --set bat", "bash") == ["batch="]


def test_files_where_files_may_stand(complete: Callable[[str], list[str]]) -> None:
    for line in ("--config ", "--config my", "--model my.y", "--gpu my.y", "--workload my.y", "--document sc"):
        assert complete(f"dsocr totals {line}") == ["file"], line
    assert complete("dsocr sweep --out a") == ["file"]
    assert complete("dsocr compare batch=1 my.y") == ["file"]
    assert complete("dsocr totals --set nothing") == []


def test_paths_are_those_of_the_network_level_by_level(complete: Callable[[str], list[str]]) -> None:
    assert complete("dsocr tree pre") == ["prefill/"]
    assert complete("dsocr formula prefill/layers.1-11/mlp/ga") == [
        "prefill/layers.1-11/mlp/gate/",
        "prefill/layers.1-11/mlp/gather",
    ]
    assert complete("dsocr tree nothing/") == []
    assert complete("dsocr tree --layer deepseek_v2_mlp d") == ["deepseek_v2_mlp/"]


def test_names_below_are_the_nodes_of_the_tree() -> None:
    slots = chosen_slots(DEFINITION, choose(DEFINITION, {}))
    nodes = [node.row.path for node in evaluate_model().nodes]

    def walk(path: tuple[str, ...], more: bool) -> Iterator[str]:
        below = names_below(DEFINITION, slots, path) if more else {}
        assert bool(below) == more, path
        for name, further in below.items():
            yield "/".join((*path, name))
            yield from walk((*path, name), further)

    assert list(walk((), True)) == nodes
    assert names_below(DEFINITION, slots, ("prefill", "none")) == {}


def test_every_option_completes_or_takes_a_number() -> None:
    for command in _commands(default_definition(None)).commands.values():
        for known in command.params:
            name, kind = known.opts[0], known.type.inner if isinstance(known.type, Filled) else known.type
            plain = isinstance(known, click.Option) and known.is_flag
            assert plain or isinstance(kind, Named | OneOf | click.Path) or name in NUMBERS + ADDRESS, (
                f"{command.name} {name}"
            )


def test_a_plan_completes_machines_and_workloads_in_lists(complete: Callable[[str], list[str]]) -> None:
    assert complete("dsocr plan --gpus l4,a10") == ["l4,a100-40gb", "l4,a100-80gb", "l4,a10g"]
    assert complete("dsocr plan --price l40") == ["l40s="]
    assert complete("dsocr plan --mix gundam=0.6,ba") == ["gundam=0.6,base="]


def test_what_is_mistyped_completes_to_nothing_without_a_word(
    complete: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert complete("dsocr totals --layer nothing --model nothing --set bat") == ["batch="]
    assert complete("dsocr tree --layer nothing a") == []
    monkeypatch.setenv("COMP_LINE", "dsocr totals 'a")
    assert complete("dsocr totals --gpu 'h20") == ["h20", "h200"]


# real shells

START = {
    "bash": (["--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'"),
    "zsh": (["-f", "-i"], "unsetopt zle_bracketed_paste prompt_sp; autoload -U compinit; compinit -D -u"),
}


class Shell:
    """A shell on a terminal of its own; ``dsocr`` completes as the README says, and else shows its arguments."""

    def __init__(self, name: str, folder: Path) -> None:
        wrapper = folder / "dsocr"
        command = f'PYTHONPATH={TOP} exec {sys.executable} -m dsocr_symbolic "$@"'
        wrapper.write_text(f'#!/bin/sh\n[ "$_DSOCR_COMPLETE" ] && {command}\nprintf "<%s>" "$@"\necho .\n')
        wrapper.chmod(0o755)
        options, start = START[name]
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(folder), "PS1": "> "}
        environment["DSOCR_CACHE"] = os.environ["DSOCR_CACHE"]
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.execvpe(name, [name, *options], environment)  # noqa: S606 - the child is the shell
        self.type(f'stty cols 200; {start}; eval "$(_DSOCR_COMPLETE={name}_source dsocr)"; echo rea""dy\r', "ready")

    def type(self, text: str, expected: str) -> None:
        """Type, and wait until something is shown."""
        os.write(self.terminal, text.encode())
        shown, end = "", time.monotonic() + 30
        while expected not in shown:
            assert time.monotonic() < end, f"{expected!r} is not in {shown!r}"
            if select.select([self.terminal], [], [], 0.2)[0]:
                shown += os.read(self.terminal, 65536).decode(errors="replace")

    def close(self) -> None:
        """End it."""
        os.kill(self.process, signal.SIGKILL)
        os.close(self.terminal)
        os.waitpid(self.process, 0)


@pytest.fixture(scope="module", params=sorted(START))
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed, so completion is not tried in it")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "my_gpu.yaml").write_text("")
    shell = Shell(request.param, folder)
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("totals --gpu h100-s", "<totals><--gpu><h100-sxm><x>"),
        ("totals --gpu=h100-s", "<totals><--gpu=h100-sxm><x>"),
        ("totals --set base_s", "<totals><--set><base_size=x>"),
        ("sweep --vary gpu=l4,rtx509", "<sweep><--vary><gpu=l4,rtx5090><x>"),
        ("tree proj", "<tree><projector/x>"),
        ("totals --gpu my_", "<totals><--gpu><my_gpu.yaml><x>"),
        ("formula total --metric tpot_l", "<formula><total><--metric><tpot_lower_bound_s><x>"),
    ],
)
def test_a_tab_completes_in_a_real_shell(shell: Shell, typed: str, given: str) -> None:
    shell.type(f"dsocr {typed}\tx\r", f"{given}.")
