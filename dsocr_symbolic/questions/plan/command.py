"""``dsocr plan``: how many GPUs a number of pages takes, and what they cost."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options
from dsocr_symbolic.writing.terminal import progress, tracked

_DPI = 144.0
_HELP = "GPUs, requests at once, latency, cost and energy for a number of pages a day; GPUs ranked."
_FORMATS = ("text", "json", "markdown")


def plan_command(definition: Definition) -> click.Command:
    """Make ``dsocr plan``, with one option per choice of the model."""
    parameters: list[click.Parameter] = [
        click.Option(["--pages-per-day"], metavar="N", type=float, help="Pages to read in a day."),
        click.Option(["--document"], metavar="PATH", multiple=True, help="Images, PDFs and folders: which pages."),
        click.Option(["--dpi"], type=float, help="Pixels per inch of PDF pages; 144 by default."),
        click.Option(["--mix"], metavar="NAME=SHARE,...", help="Workloads and their shares."),
        click.Option(["--output-tokens"], metavar="N|FILE.csv:COLUMN", help="Tokens of an answer: mean, or a column."),
        click.Option(["--output-spread"], metavar="S", type=float, help="Standard deviation over the mean; 0.5."),
        click.Option(["--ttft"], metavar="S", type=float, help="Most seconds to the first token, on average."),
        click.Option(["--tpot"], metavar="S", type=float, help="Most seconds per further token, on average."),
        click.Option(["--concurrency"], metavar="N", type=int, help="Requests at once; the best by default."),
        click.Option(["--gpus"], metavar="NAME,...", help="GPUs to choose from; all with a forecast by default."),
        click.Option(["--price", "prices"], metavar="GPU=PER_HOUR", multiple=True, help="Price of a GPU."),
        click.Option(["--utilisation"], metavar="U", type=float, help="Share of the most to plan with; 0.7."),
        click.Option(["--host-s"], metavar="S", type=float, help="Seconds of a core for a page before the GPU."),
        click.Option(["--cores"], metavar="N", type=int, help="Cores that prepare pages for each GPU."),
        click.Option(["--merge-chunks"], is_flag=True, help="Prompts' chunks and decode in one forward, as in vLLM."),
        click.Option(["--simulate"], is_flag=True, help="Simulate the best one, too: 99th percentiles."),
        click.Option(["--figure"], metavar="FILE.svg", type=click.Path(path_type=Path), help="Cost against latency."),
        click.Option(["--force"], is_flag=True, help="Replace the figure's file."),
        click.Option(["--format"], type=click.Choice(_FORMATS), default="text", help="Output."),
        click.Argument(["more"], nargs=-1),
    ]
    parameters = [*options.whole_options(definition), *parameters]
    return options.command(definition, "plan", _plan, parameters, _HELP)


def _plan(definition: Definition, given: options.Given) -> int:
    from dsocr_symbolic.questions.plan.asking import plan_of
    from dsocr_symbolic.questions.plan.document import plan_document
    from dsocr_symbolic.questions.plan.figure import write_figure
    from dsocr_symbolic.questions.plan.text import plan_markdown, plan_text
    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.scenario.documents import read_pages
    from dsocr_symbolic.writing.data import to_json

    request = _request(given)
    _check_figure(given)
    scenario = options.asked_scenario(definition, given)
    pages = None
    dpi = _DPI if given["dpi"] is None else given["dpi"]
    if given["document"]:
        pages = tracked(read_pages([*given["document"], *given["more"]], dpi=dpi), "pages")
    elif given["more"] or given["dpi"] is not None:
        raise UserError("--dpi and further paths are of documents; add --document PATH")
    with progress("planning"):
        plan = plan_of(scenario, request, pages, dpi)
    if given["figure"]:
        write_figure(plan, given["figure"])
    about = of_scenario(scenario).described()
    if given["format"] == "json":
        click.echo(to_json({**about, "plan": plan_document(plan)}), nl=False)
    else:
        write = plan_markdown if given["format"] == "markdown" else plan_text
        click.echo(write(plan, _heading(about, definition), scenario.command or None), nl=False)
    return 0


def _check_figure(given: options.Given) -> None:
    """Refuse a figure that could not be written, before anything is worked out."""
    from dsocr_symbolic.writing.files import check_target

    if given["figure"] is None:
        if given["force"]:
            raise UserError("--force replaces the file of a figure; add --figure FILE.svg")
        return
    if given["figure"].suffix != ".svg":
        raise UserError(f"--figure {given['figure']}: a figure is an SVG; name it FILE.svg")
    check_target(given["figure"], force=given["force"])


def _heading(about: dict[str, Any], definition: Definition) -> str:
    """Say what network it is, with the choices that differ from the defaults, and what was set."""
    from dsocr_symbolic.language.files.service_file import load_service
    from dsocr_symbolic.questions.settings_text import setting_notes

    chosen = [
        f"{name} {option}" for name, option in about["choices"].items() if option != definition.choices[name].default
    ]
    asked = about["choices"]
    apart = [
        f"not as an engine runs it: add --{name} {option}"
        for name, option in load_service().engine.items()
        if asked.get(name, option) != option
    ]
    return "; ".join([", ".join([about["model"], *chosen]), *setting_notes(about["overridden"]), *apart])


def _request(given: options.Given) -> Any:
    """Read the words that a plan has of its own."""
    from dsocr_symbolic.language.pairs import read_pairs
    from dsocr_symbolic.questions.plan.asking import Request
    from dsocr_symbolic.scenario.checks import parse_number
    from dsocr_symbolic.scenario.hardware import load_host

    words = read_pairs(given["prices"], "--price", "GPU=PER_HOUR")
    prices = {name: float(parse_number(price, f"--price {name}")) for name, price in words.items()}
    if given["mix"] and given["workload"]:
        raise UserError("--mix names the workloads; drop --workload")
    if given["reserve"] is not None:
        raise UserError("--reserve: a server keeps free what --memory-utilisation leaves; give that one")
    # A host file says what pages take before any GPU.
    machine = None if given["machine"] and load_host(given["machine"]) else given["machine"]
    if given["gpus"] and (given["gpu"] or machine):
        raise UserError("--gpus names the machines; drop --gpu and --machine")
    named = given["gpus"].split(",") if given["gpus"] else [machine or given["gpu"]]
    gpus = tuple(name.strip() for name in named if name and name.strip())
    kept = (
        "pages_per_day",
        "mix",
        "output_tokens",
        "output_spread",
        "ttft",
        "tpot",
        "concurrency",
        "utilisation",
        "host_s",
        "cores",
        "merge_chunks",
        "simulate",
    )
    return Request(**{name: given[name] for name in kept}, gpus=gpus, prices=prices)
