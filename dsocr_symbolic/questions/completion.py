"""What may stand behind each option and argument: names for a shell to complete, and for errors to suggest."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import choice_key

Names = Iterable[tuple[str, str]]
"""Words that may stand somewhere, each with what it means, or nothing."""
Find = Callable[[Definition, Mapping[str, Any], str], Names]
"""Finds them, given what was typed before by the names of options, and the beginning of the word."""
_PLACES = ("gpu", "workload")


class OneOf(click.Choice[str]):
    """A choice that suggests what was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return an option; of an unknown one say which is nearest."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            known = [str(choice) for choice in self.choices]
            said = f"'{value}' is none of {', '.join(known)}"
            close = nearest(str(value), known)
            self.fail(said if close.startswith("known") else f"{said}; {close}", param, ctx)


class Named(click.types.StringParamType):
    """Text of which names are known; a file may stand in their stead where none of them begins so."""

    def __init__(self, definition: Definition, find: Find, *, or_file: bool) -> None:
        self.m_definition = definition
        self.m_find = find
        self.m_or_file = or_file

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's
        incomplete: str,
    ) -> "list[CompletionItem[str]]":
        """Return the names that begin so."""
        try:
            names = list(self.m_find(self.m_definition, ctx.params, incomplete))
        except UserError:
            names = []
        items = [CompletionItem(name, help=said or None) for name, said in names if name.startswith(incomplete)]
        return items or [CompletionItem(incomplete, type="file")] * self.m_or_file


def attach(command: click.Command, definition: Definition) -> None:
    """Let every option and argument of a command complete its names."""
    for parameter in command.params:
        name = parameter.opts[0]
        choice = next((known for known in definition.choices if parameter.name == choice_key(known)), None)
        if choice is not None:
            parameter.type = Named(definition, _options_of(choice), or_file=False)
        elif type(parameter.type) is click.Choice:
            parameter.type = OneOf(parameter.type.choices)
        elif parameter.type is click.STRING and (find := _FOUND.get(f"{command.name} {name}") or _FOUND.get(name)):
            parameter.type = Named(definition, find, or_file=name in _OR_FILE)


def _nothing(_: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    return ()


def _options_of(choice: str) -> Find:
    return lambda definition, _given, _word: ((option, "") for option in definition.choices[choice].options)


def _models(_: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    return _files("formulas/models")


def _gpus(_: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    return _files("hardware")


def _files(kind: str) -> Names:
    from dsocr_symbolic.paths import data_files

    return ((name, "") for name in data_files(kind))


def _components(_: Definition, _given: Mapping[str, Any], word: str) -> Names:
    from dsocr_symbolic.language.files.calibration_file import ComponentsFile, calibration_file

    before, comma, _part = word.rpartition(",")
    return ((f"{before}{comma}{name}", "") for name in calibration_file(ComponentsFile, "components").components)


def _several_gpus(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    before, comma, last = word.rpartition(",")
    return ((f"{before}{comma}{name}", said) for name, said in _gpus(definition, given, last))


def _priced(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    return ((f"{name}=", said) for name, said in _gpus(definition, given, word))


def _mixed(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    before, comma, last = word.rpartition(",")
    return ((f"{before}{comma}{name}=", said) for name, said in _workloads(definition, given, last))


def _workloads(definition: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    return ((name, workload.summary) for name, workload in definition.workloads.items())


def _symbols(definition: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    return ((name, known.meaning) for name, known in definition.quantities.items() if not known.fixed)


def _settings(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    return ((f"{name}=", said) for name, said in _symbols(definition, given, word))


def _metrics(_: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    from dsocr_symbolic.language.registry import load_metrics

    return ((name, metric.definition) for name, metric in load_metrics().items())


def _bounds(definition: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    from dsocr_symbolic.language.files.bounds_file import load_bounds

    return ((name, bound.summary) for name, bound in load_bounds(definition).conditions.items())


def _kinds(_: Definition, _given: Mapping[str, Any], _word: str) -> Names:
    from dsocr_symbolic.paths import data_folders

    return ((path.stem, "") for path in sorted(data_folders("formulas/schema")[-1].glob("*.json")))


def _layers(_: Definition, _given: Mapping[str, Any], word: str) -> Names:
    """Yield the folders of layers and what is in the one that is typed; the bare names of those that begin so."""
    from dsocr_symbolic.language.library import load_library

    formulas = load_library().formulas.values()
    known = sorted((Path(formula.file).parent.name, formula.name, formula.summary) for formula in formulas)
    if "/" in word:
        return [(f"{folder}/{name}", said) for folder, name, said in known]
    folders = dict.fromkeys((f"{folder}/", "") for folder, _, _ in known)
    return [*folders, *((name, said) for _, name, said in known if word)]


def _paths(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    """Yield the parts of the network on the level that is typed; those that have more below end in a slash."""
    from dsocr_symbolic.language.called import names_below
    from dsocr_symbolic.language.lookup import layer_definition
    from dsocr_symbolic.scenario.values import choose, chosen_slots

    if given.get("layer"):
        definition = layer_definition(definition, given["layer"])
    chosen = {name: option for name in definition.choices if (option := given.get(choice_key(name))) is not None}
    slots = chosen_slots(definition, choose(definition, chosen))
    above, slash, _ = word.rpartition("/")
    below = names_below(definition, slots, above.split("/") if above else [])
    return ((f"{above}{slash}{name}{'/' if more else ''}", "") for name, more in below.items())


def _parts(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    return [("total", ""), *_paths(definition, given, word)]


def _parts_or_layers(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    return [*_parts(definition, given, word), *_layers(definition, given, word)]


def _parts_or_stages(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    return [("stage", ""), *_parts(definition, given, word)]


def _varied(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    """Yield what may vary, and behind the sign the names that an axis may have, in a list of them."""
    known = definition.quantities.items()
    free = {name: known.meaning for name, known in known if known.group != "derived" and not known.fixed}
    if definition.roles.crops:
        sides = (definition.roles.crops.columns, definition.roles.crops.rows)
        free["crop_grid"] = " x ".join(definition.quantities[side].meaning for side in sides)
    return _assigned(definition, given, word, free, several=True)


def _scenarios(definition: Definition, given: Mapping[str, Any], word: str) -> Names:
    """Yield keys behind the last comma, or the names that one of them may have."""
    before, comma, last = word.rpartition(",")
    known = dict(_symbols(definition, given, word))
    return ((f"{before}{comma}{name}", said) for name, said in _assigned(definition, given, last, known, several=False))


def _assigned(
    definition: Definition, given: Mapping[str, Any], word: str, symbols: Mapping[str, str], *, several: bool
) -> Iterator[tuple[str, str]]:
    """Yield ``NAME=`` for symbols, choices, gpu and workload, or the names that such a one may be."""
    name, sign, values = word.partition("=")
    if not sign:
        choices = {choice: known.summary for choice, known in definition.choices.items()}
        for key, said in {**symbols, **choices, **dict.fromkeys(_PLACES, "")}.items():
            yield f"{key}=", said
        return
    before, comma, last = values.rpartition(",") if several else ("", "", values)
    names: Names = [("all", "")] if name in symbols.keys() - definition.quantities.keys() else []
    if name in _PLACES:
        names = (_gpus if name == "gpu" else _workloads)(definition, given, last)
    elif name.replace("_", "-") in definition.choices:
        names = _options_of(name.replace("_", "-"))(definition, given, last)
    for label, said in names:
        if label not in before.split(","):
            yield f"{name}={before}{comma}{label}", said


# By option or argument, of one command or of all: what is there.
_FOUND: dict[str, Find] = {
    "--model": _models,
    "--gpu": _gpus,
    "--workload": _workloads,
    "--set": _settings,
    "--keep": _symbols,
    "--symbol": _symbols,
    "--layer": _layers,
    "--gpus": _several_gpus,
    "--price": _priced,
    "--mix": _mixed,
    "--output-tokens": _nothing,
    "measure --only": _components,
    "--metric": _metrics,
    "--of": _parts,
    "--by": _parts_or_stages,
    "--vary": _varied,
    "symbol": _symbols,
    "constraint": _metrics,
    "tree path": _parts,
    "formula path": _parts_or_layers,
    "names": _bounds,
    "scenarios": _scenarios,
    "kind": _kinds,
    "more": _nothing,
    "--document": _nothing,
}
_OR_FILE = ("--model", "--gpu", "--workload", "--document", "--output-tokens", "scenarios", "more")
