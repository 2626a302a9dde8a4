"""The pages of the formulas, as data and in Markdown: what each is, where it stands, its costs, how they are known."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.program import formulas_key, keep, recall
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.formula import Formula, Layer, Operator, outputs
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.network.costs import READS, WRITES
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.paths import PACKAGE, data_folders, hash_files
from dsocr_symbolic.questions.settings_text import lifted, setting_notes
from dsocr_symbolic.reports.formulas.alone import Alone
from dsocr_symbolic.reports.formulas.page_rows import (
    RESULTS,
    CallRow,
    Record,
    SymbolRow,
    call_row,
    record_of,
    symbol_row,
)
from dsocr_symbolic.reports.formulas.places import Caller, Lines, Places, callers, file_name, mentioned, shape, switches
from dsocr_symbolic.reports.formulas.sections import Section, local_block, sections
from dsocr_symbolic.reports.formulas.shown_call import ShownCall, shown_call, with_pages
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.writing.amounts import cell
from dsocr_symbolic.writing.templates import template

_FEW_PLACES = 8
_MADE_OF = (".py", ".yaml", ".jinja", ".json")
_OF_THE_INDEX = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes")


@frozen(kw_only=True)
class FormulaPage:
    """What one page says.

    Attributes
    ----------
    name : str
        Folder and name.
    formula : Formula
        What it is about.
    file : str
        Where it stands among the data files.
    callers : tuple of (str, tuple of Caller)
        The page of each formula that calls it, and its lines that do.
    choices : tuple of str
        Choices and stages that call for it.
    places : tuple of (str, number)
        Paths and calls in the workload.
    idle : int
        Places whose guard is off in the workload.
    source, path : str
        Where the values are from, see :class:`~dsocr_symbolic.reports.formulas.alone.ShownCall`.
    last_step : bool
        Whether that call repeats over steps, of which the last one is shown.
    symbols, shared : tuple of SymbolRow
        The formula's own symbols, and those of the model and the conventions that its costs use.
    locals : str
        LaTeX of the local names.
    calls : tuple of CallRow
        Of a layer.
    family : tuple of (str, str)
        Pages and aten names of the members of an operator's file.
    sections : tuple of Section
        The metrics.
    zeros : tuple of str
        The metrics that are 0 whatever the sizes.
    switched : tuple of (str, number)
        Switches of choices that are put in.
    fillings : tuple of (str, str)
        Slots and the pages of what fills them here.
    record : Record
        How it is known.
    """

    name: str
    formula: Formula
    file: str
    callers: tuple[tuple[str, tuple[Caller, ...]], ...]
    choices: tuple[str, ...]
    places: tuple[tuple[str, Exact], ...]
    idle: int
    source: str
    path: str
    last_step: bool
    symbols: tuple[SymbolRow, ...]
    shared: tuple[SymbolRow, ...]
    locals: str
    calls: tuple[CallRow, ...]
    family: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    zeros: tuple[str, ...]
    switched: tuple[tuple[str, Exact], ...]
    fillings: tuple[tuple[str, str], ...]
    record: Record


def pages(places: Places) -> Iterator[FormulaPage]:
    """Make the page of every formula, one at a time, by folder and name."""
    formulas = places.library.formulas
    lines = callers(places.library)
    shown = {name: shown_call(places, formula, lines) for name, formula in formulas.items()}
    named = {name: mentioned(formula) for name, formula in formulas.items()}
    for formula in sorted(formulas.values(), key=file_name):
        yield _page(places, shown[formula.name], with_pages(shown[formula.name], shown), lines, named)


def _page(
    places: Places, shown: ShownCall, alone: Alone, lines: Lines, named: Mapping[str, frozenset[str]]
) -> FormulaPage:
    formula = alone.formula
    laid_out, zeros = sections(alone)
    block, used = local_block(alone)
    used = used.union(*(section.used for section in laid_out)) - {*formula.symbols, *formula.let}
    nodes = places.nodes.get(formula.name, ())
    running = [node for node in nodes if total_calls(node) > 0]
    filled = [group for group in alone.groups if group.call.use.startswith("$")]
    return FormulaPage(
        name=file_name(formula),
        formula=formula,
        file=_data_file(formula),
        callers=_callers(places, lines.get(formula.name, ())),
        choices=_called_for(places.scenario.definition, formula.name),
        places=tuple(("/".join(node.path), arithmetic.whole(total_calls(node))) for node in running),
        idle=len(nodes) - len(running),
        source=shown.source,
        path=shown.path,
        last_step=shown.path.partition("/")[0] in places.stepping,
        symbols=tuple(symbol_row(alone, places, name) for name in formula.symbols),
        shared=tuple(symbol_row(alone, places, name) for name in alone.letters if name in used),
        locals=block,
        calls=tuple(call_row(group) for group in alone.groups),
        family=_family(places, formula),
        sections=tuple(laid_out),
        zeros=tuple(zeros),
        switched=_switched(places, alone, named),
        fillings=tuple((group.call.use[1:], file_name(group.formula)) for group in filled),
        record=record_of(file_name(formula)),
    )


def _callers(places: Places, lines: tuple[Caller, ...]) -> tuple[tuple[str, tuple[Caller, ...]], ...]:
    """Put the lines of one caller together."""
    by_page: dict[str, list[Caller]] = {}
    for line in lines:
        by_page.setdefault(file_name(places.library[line.formula]), []).append(line)
    return tuple((page, tuple(calling)) for page, calling in by_page.items())


def _switched(places: Places, alone: Alone, named: Mapping[str, frozenset[str]]) -> tuple[tuple[str, Exact], ...]:
    """Return the switches that something in a call depends on."""
    inside = frozenset[str]().union(*(named[call.formula.name] for call in walk((alone.node,))))
    quantities = places.scenario.definition.quantities
    inside |= {name for symbol in inside & set(quantities) for name in names(quantities[symbol].formula)}
    inside -= set(alone.formula.symbols)
    return tuple((name, switch) for name, switch in switches(places).items() if name in inside)


def _data_file(formula: Formula) -> str:
    """Return the file from its folder ``formulas`` on."""
    parts = Path(formula.file).parts
    start = max((place for place, part in enumerate(parts) if part == "formulas"), default=len(parts) - 1)
    return "/".join(parts[start:])


def _called_for(definition: Definition, name: str) -> tuple[str, ...]:
    """Say which stages and choices of the model call for a formula."""
    asking = [f"stage `{call.name}` of the model" for call in definition.stages if call.use == name]
    for title, choice in definition.choices.items():
        for key, option in choice.options.items():
            asking += [f"`--{title} {key}`, in slot `{slot}`" for slot, use in option.slots.items() if use == name]
    return tuple(asking)


def _family(places: Places, formula: Formula) -> tuple[tuple[str, str], ...]:
    """Return the members of an operator's file, if it has several."""
    if not isinstance(formula, Operator):
        return ()
    operators = [operator for operator in places.library.formulas.values() if isinstance(operator, Operator)]
    members = [(file_name(operator), operator.aten) for operator in operators if operator.family == formula.family]
    return tuple(members) if len(members) > 1 else ()


def rendered_pages(places: Places) -> Iterator[tuple[str, str]]:
    """Yield what :func:`written_pages` does, from the user's cache folder where equal files wrote it before."""
    key = _key(places)
    made = recall(key)
    if made is None:
        made = {}
        for name, text in written_pages(places):
            made[name] = text
            yield name, text
        keep(key, made)
    else:
        yield from made.items()


def _key(places: Places) -> str:
    """Return the word for everything that pages are made of: question, code, formulas, templates and results."""
    scenario = places.scenario
    options = tuple(sorted(scenario.options.items()))
    asked = (scenario.workload, scenario.settings, places.numbers, sorted(scenario.waived), scenario.command, options)
    told = what_was_set(scenario, places.numbers)
    digest = hashlib.sha256(f"{formulas_key(scenario.definition, options)} {asked} {told}".encode())
    folders = [PACKAGE, *data_folders("formulas"), *data_folders("templates"), RESULTS]
    files = (file for folder in folders for file in sorted(folder.rglob("*")))
    hash_files(digest, (file for file in files if file.suffix in _MADE_OF))
    return digest.hexdigest()[:32]


def written_pages(places: Places) -> Iterator[tuple[str, str]]:
    """Yield the file below the folder, and the text, of every page, the index last."""
    scenario = places.scenario
    workload, quantities = scenario.workload.name if scenario.workload else "", scenario.definition.quantities
    page_template = template("formula_page.md.jinja")
    said = setting_notes({name: setting.data for name, setting in what_was_set(scenario, places.numbers).items()})
    said += lifted(sorted(scenario.waived))
    rows: dict[str, list[dict[str, Any]]] = {}
    for page in pages(places):
        text = page_template.render(
            page=page,
            operator=isinstance(page.formula, Operator),
            results=outputs(page.formula),
            tensors_read=READS,
            tensors_written=WRITES,
            workload=workload,
            choices="; ".join([", ".join(f"{name} {option}" for name, option in scenario.options.items()), *said]),
            few=_FEW_PLACES,
            exact=_exact,
            cell=cell,
        )
        yield f"{page.name}.md", _tidy(text)
        rows.setdefault(page.name.partition("/")[0], []).append(_index_row(page))
    asked = [name for name, quantity in quantities.items() if quantity.group in ("workload", "derived")]
    text = template("formula_index.md.jinja").render(
        workload=workload,
        choices=scenario.options,
        settings=said,
        command=scenario.command or "dsocr docs",
        values={name: places.numbers[name] for name in asked},
        folders=rows,
        tree=list(_layers(places.stages, 0, set())),
        metrics=load_metrics().values(),
        conventions=load_conventions().statements,
    )
    yield "index.md", _tidy(text)


def _exact(value: Exact) -> str:
    """Print a count with all its digits."""
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.3f}".rstrip("0").rstrip(".")


def _tidy(text: str) -> str:
    """Leave one blank line where a template leaves several."""
    stripped = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", stripped).strip("\n") + "\n"


def _index_row(page: FormulaPage) -> dict[str, Any]:
    values = {section.metric: section.value for section in page.sections}
    return {
        "page": page.name,
        "name": page.formula.name,
        "summary": page.formula.summary,
        "cells": [cell(metric, values.get(metric, 0)) for metric in _OF_THE_INDEX],
        "calls": sum(evidence.calls for evidence in page.record.evidence),
        "differing": sum(evidence.differing for evidence in page.record.evidence),
        "uncounted": page.record.uncounted,
    }


def _layers(nodes: tuple[Node, ...], depth: int, seen: set[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Walk the layers of the network; what stands in one is listed at its first place alone."""
    for node in nodes:
        if not isinstance(node.formula, Layer) or not total_calls(node):
            continue
        inside = shape(node)
        page, again = file_name(node.formula), inside in seen
        yield {"depth": depth, "name": node.path[-1], "page": page, "calls": total_calls(node), "again": again}
        seen.add(inside)
        if not again:
            yield from _layers(node.children, depth + 1, seen)
