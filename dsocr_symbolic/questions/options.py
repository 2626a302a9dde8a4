"""Options that decide the numbers, and the question that they ask."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import Factory, define

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.server_options import flags_of, server_options, translated, with_server
from dsocr_symbolic.scenario.scenario import Scenario, doubts, make_scenario

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_MOST_GIB = 1e6
_LIMIT = "most_pieces"
MODEL = click.Option(["--model"], metavar="NAME|FILE", help="Network; deepseek-ocr by default.")
METRICS = click.Option(["--metric", "metrics"], metavar="NAME", multiple=True, help="See symbols --metrics.")
FORMAT = click.Option(["--format"], type=click.Choice(("text", "json")), default="text", help="Output.")
_TIME = "What time metrics stand for; roofline by default."
TIME = click.Option(["--time"], type=click.Choice(("roofline", "lower_bound")), default="roofline", help=_TIME)
Given = dict[str, Any]
"""What click hands on, by the names of options and arguments."""
Run = Callable[[Definition, Given], int]


class Filled(click.ParamType):  # type: ignore[type-arg]  # not generic in older versions
    """What ``inner`` takes, and completes as it does, but no empty word unless that is the default."""

    def __init__(self, inner: "click.ParamType[Any]") -> None:
        self.name = inner.name
        self.inner = inner

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value of a word; raise where that is empty."""
        if param is not None and value == "" != param.default:
            raise UserError(f"{param.opts[0]}: is empty; give a value or drop it")
        return self.inner.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[str]]":
        """Return what completes a word."""
        return self.inner.shell_complete(ctx, param, incomplete)


def refuse_empty(parameters: Iterable[click.Parameter]) -> None:
    """Let options with a word take no empty one: nobody means that, and it would pass for no word at all."""
    for option in parameters:
        if isinstance(option, click.Option) and isinstance(option.type, click.Path | click.types.StringParamType):
            option.type = Filled(option.type)


@define
class Invocation:
    """One run of the command line.

    Attributes
    ----------
    command : str
        What was typed.
    doubts, said : list of str, set of str
        What is doubtful, to be said behind the answer; warnings that have been said.
    """

    command: str = ""
    doubts: list[str] = Factory(list)
    said: set[str] = Factory(set)

    def end(self) -> None:
        """Say what is doubtful and was not said yet."""
        for warning in dict.fromkeys(self.doubts):
            if warning not in self.said:
                click.echo(f"dsocr: warning: {warning}", err=True)


def question_options(definition: Definition) -> list[click.Parameter]:
    """Options that decide the numbers, one per choice of the model among them."""
    options: list[click.Parameter] = [
        MODEL,
        click.Option(["--workload"], metavar="NAME|FILE", help=f"Workload; {definition.default_workload} by default."),
        click.Option(["--set", "settings"], metavar="SYMBOL=VALUE", multiple=True, help="Give a symbol a value."),
        click.Option(["--config"], metavar="FILE", type=click.Path(path_type=Path), help="Sizes from a config.json."),
        click.Option(["--layer"], metavar="NAME", help="Evaluate one layer alone."),
        click.Option(["--gpu"], metavar="NAME|FILE", help=f"Machine; {definition.default_gpu} by default."),
        click.Option(["--machine"], metavar="FILE", type=click.Path(), help="Machine file of dsocr calibrate."),
        click.Option(["--reserve"], metavar="GIB", type=float, help="Memory kept free; 1 GiB by default."),
        *server_options(),
        click.Option(["--allow-any-grid"], is_flag=True, help="Let crop grids be what the network never cuts."),
    ]
    if limit := crop_limit(definition):
        quantity = definition.quantities[limit]
        text = f"{quantity.meaning[0].upper()}{quantity.meaning[1:]}; {quantity.formula.text} by default."
        options.append(click.Option([f"--{limit.replace('_', '-')}", _LIMIT], metavar="N", help=text))
    for name, choice in definition.choices.items():
        help_text = f"{choice.summary[0].upper()}{choice.summary[1:]}; {choice.default} by default."
        words: list[str] = [f"--{name}", *flags_of(name), choice_key(name)]
        metavar = "|".join(choice.options)
        options.append(click.Option(words, metavar=metavar, help=help_text, callback=translated(name)))
    return options


def crop_limit(definition: Definition) -> str:
    """Return the symbol of the most pieces that a page is cut into; empty where a user has no say in it."""
    return definition.roles.crops.limit if definition.roles.crops else ""


def whole_options(definition: Definition) -> list[click.Parameter]:
    """Options that decide the numbers of a whole network: no layer stands alone."""
    return [option for option in question_options(definition) if option.name != "layer"]


def command(
    definition: Definition, name: str, run: Run, parameters: list[click.Parameter], help_text: str
) -> click.Command:
    """Make a command that hands the model and everything given on."""
    return click.Command(name, params=parameters, callback=lambda **given: run(definition, given), help=help_text)


def show(given: Given, document: Mapping[str, Any], text: Callable[[], str]) -> int:
    """Print an answer in the format that was asked for; its warnings stand behind a text."""
    from dsocr_symbolic.writing.data import to_json
    from dsocr_symbolic.writing.terminal import warning_text

    as_text = given["format"] != "json"
    click.echo(text() + warning_text(document["warnings"]) if as_text else to_json(document), nl=False)
    return 0


def as_data(answer: Any) -> dict[str, Any]:
    """Return an answer as plain data but for its warnings, which stand beside it."""
    from attrs import asdict

    return asdict(answer, filter=lambda field, _: field.name != "warnings")


def warn(warnings: Iterable[str]) -> None:
    """Say on standard error what numbers deserve, each warning once in a command."""
    said = _invocation().said
    for warning in warnings:
        if warning not in said:
            click.echo(f"dsocr: warning: {warning}", err=True)
        said.add(warning)


def asked_scenario(definition: Definition, given: Given) -> Scenario:
    """Put together what the options ask."""
    choices = {name: given[key] for name in definition.choices if given.get(key := choice_key(name)) is not None}
    if given.get("layer") is not None and given["workload"] is not None:
        raise UserError("--layer evaluates one layer alone: it has no --workload; drop one of them")
    scenario = make_scenario(
        definition=definition,
        layer=given.get("layer"),
        workload=given["workload"],
        settings=asked_settings(definition, given),
        choices=choices,
        gpu=given["gpu"],
        machine=given["machine"],
        config=given["config"],
        waived=frozenset({"allow_any_grid"} if given["allow_any_grid"] else ()),
        command=typed(),
    )
    doubt(doubts(scenario))
    return scenario


def typed() -> str:
    """Return the command as it was typed; empty where none was."""
    return _invocation().command


def doubt(warnings: Iterable[str]) -> None:
    """Keep what is doubtful of the question until it is answered: a mistake is one line alone."""
    _invocation().doubts += warnings


def _invocation() -> Invocation:
    context = click.get_current_context(silent=True)
    return context.obj if context and isinstance(context.obj, Invocation) else Invocation()


def asked_settings(definition: Definition, given: Given) -> dict[str, Any]:
    """Read what ``--set`` and its short spellings give symbols."""
    from dsocr_symbolic.scenario.checks import parse_number

    settings = with_reserve(with_server(read_settings(given["settings"]), given), given)
    limit, most = crop_limit(definition), given.get(_LIMIT)
    if most is None:
        return settings
    option = f"--{limit.replace('_', '-')}"
    if given.get("layer") is not None:
        raise UserError(f"{option}: a layer alone cuts no page; drop --layer or {option}")
    if limit in settings:
        raise UserError(f"{option} and --set {limit}: give one of them")
    return settings | {limit: parse_number(most, limit)}


def with_reserve(settings: dict[str, Any], given: Given) -> dict[str, Any]:
    """Put the reserve, in bytes, among the settings."""
    gibibytes = given["reserve"]
    if gibibytes is None:
        return settings
    if "reserve" in settings:
        raise UserError("--reserve and --set reserve: give one of them")
    if not 0 <= gibibytes < _MOST_GIB:
        raise UserError(f"--reserve {gibibytes:g}: expected GiB from 0 to {_MOST_GIB:g}")
    return settings | {"reserve": round(gibibytes * 2**30)}


def choice_key(name: str) -> str:
    """Return the name under which click hands on the option of a choice."""
    return f"choice_{name}".replace("-", "_").lower()


def read_settings(given: Iterable[str]) -> dict[str, Any]:
    """Read SYMBOL=VALUE words."""
    from dsocr_symbolic.scenario.checks import parse_number

    settings: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals:
            raise UserError(f"--set {word}: expected SYMBOL=VALUE")
        if name in settings:
            raise UserError(f"--set {name}: given twice; give it once")
        settings[name] = parse_number(value, name)
    return settings
