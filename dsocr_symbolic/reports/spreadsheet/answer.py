"""The first sheet, Answer: what it costs by stage, what a reader waits for, and whether it fits, in people's units.

Cells hold FLOPs, bytes and microseconds; their formats show them with a prefix, for formats can only divide by 1000.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import sympy
from attrs import frozen
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.reports.spreadsheet.cells import (
    FIRST_ROW,
    Look,
    Sheet,
    SheetCell,
    SheetChart,
    SheetColumn,
    SheetLine,
    text_line,
)
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer
from dsocr_symbolic.reports.spreadsheet.nodes import COLUMN_METRICS, FIRST_METRIC, NODES
from dsocr_symbolic.scenario.scenario import Scenario

ANSWER = "Answer"
_TIME, _WEIGHTS, _CACHE, _PEAK = "roofline_s", "forward_weight_bytes", "forward_kv_cache_bytes", "peak_memory_bytes"
_SHOWN: Mapping[str, tuple[str, Look]] = {
    "forward_tensor_core_flops": ("FLOPs on\nTensor Cores", "flops"),
    "forward_cuda_core_flops": ("FLOPs on\nCUDA cores", "flops"),
    "forward_io_bytes": ("bytes moved", "bytes"),
    "operator_launches": ("launches", "whole"),
    _WEIGHTS: ("weights", "bytes"),
    _CACHE: ("KV cache", "bytes"),
    _TIME: ("time", "microseconds"),
}
_MICRO = 10**6
_COLUMNS = ("stage", "calls", *(title for title, _ in _SHOWN.values()), "share of\nthe time")
_WIDTHS = (21, 16, *(16 for _ in _SHOWN), 16)
_PARTS = ("all weights", "KV cache", "activations", "together", "of what may\nbe taken")
_LATENCIES = {"ttft_s": "first token (ttft)", "tpot_s": "each further token (tpot)"}
_NONE = "-"
_BLUE, _GREEN, _AMBER = "#1F5FA8", "#5B9F6B", "#E0A030"
# Pixels: the width of the columns below the first chart, and below the second one; the height.
_CHARTS, _HEIGHT = (612, 582), 290


@frozen(kw_only=True)
class AnswerSource:
    """What the sheet is made of.

    Attributes
    ----------
    scenario, result, fold : Scenario, Estimate, Fold
        What was asked, the numbers now, and the rows of Nodes in symbols.
    symbols : mapping of str to Piece
        The cells of symbols.
    live : sequence of Piece
        The cells of the activations that live while each row runs.
    state : SheetCell
        Whether all rules hold.
    """

    scenario: Scenario
    result: Estimate
    fold: Fold
    symbols: Mapping[str, Piece]
    live: Sequence[Piece]
    state: SheetCell

    @property
    def stages(self) -> Sequence[int]:
        """The rows of the stages."""
        return self.fold.below[0]

    def on_nodes(self, metric: str, index: int) -> str:
        """Return the cell of a metric of a row on the sheet Nodes."""
        column = FIRST_METRIC + COLUMN_METRICS.index(metric)
        return f"{NODES}!{xl_col_to_name(column)}{FIRST_ROW + index}"

    def number(self, metric: str, index: int) -> Piece:
        """Return the cell and the number of a metric of a row; 0 is the whole."""
        metrics = self.result.nodes[index - 1].metrics if index else self.result.total
        return Piece(text=self.on_nodes(metric, index), value=metrics[metric])


def answer_sheet(question: AnswerSource) -> Sheet:
    """Lay out the answer: in one line what is asked, four numbers, what each stage costs, its memory, two charts."""
    scenario = question.scenario
    workload = f", {scenario.workload.name}" if scenario.workload else ""
    title = f"{scenario.definition.name}{workload}, on {scenario.gpu.title}"
    options = ", ".join(f"{name} {option}" for name, option in scenario.options.items())
    above = [
        text_line(title, look="heading"),
        SheetLine(cells=(_asked(question),)),
        text_line(f"{options}. Change the coloured cells of the sheet Inputs: everything here follows.", look="note"),
        SheetLine(cells=(question.state,)),
        text_line(),
    ]
    # Two lines of cards and an empty one come before the header.
    begin = len(above) + 3 + FIRST_ROW
    stages = [_stage_line(question, index, begin + len(question.stages)) for index in (*question.stages, 0)]
    first = begin + len(stages) + 2
    memory = [_memory_line(question, index, first + place) for place, index in enumerate(question.stages)]
    above += [*_cards(question, [line.cells[4] for line in memory], first), text_line()]
    columns = tuple(
        SheetColumn(title=name, width=width, numbers=place > 0)
        for place, (name, width) in enumerate(zip(_COLUMNS, _WIDTHS, strict=True))
    )
    heads = (_head("memory at the worst\nmoment of", "header"), *(_head(title, "header_number") for title in _PARTS))
    charts = _charts(question, begin, first)
    space = [text_line()] * (_HEIGHT // 20 + 2)
    return Sheet(
        name=ANSWER,
        columns=columns,
        above=tuple(above),
        lines=(*stages, text_line(), SheetLine(cells=heads, text_lines=2), *memory, *space, *_notes()),
        frozen_lines=1 - len(above),
        frozen_columns=1,
        charts=charts,
    )


def _asked(question: AnswerSource) -> SheetCell:
    """Say in one live line what the workload is, or of a layer alone its symbols."""
    known = question.scenario.definition.quantities
    shown = [name for name in question.symbols if known[name].group in ("workload", "layer")]
    texts = [f"{', ' if place else ''}{name} " for place, name in enumerate(shown)]
    values = [question.symbols[name] for name in shown]
    formula = "&".join(f'"{text}"&{value.text}' for text, value in zip(texts, values, strict=True))
    said = "".join(f"{text}{arithmetic.whole(value.value)}" for text, value in zip(texts, values, strict=True))
    return SheetCell(content=said, formula=formula)


def _head(title: str, look: Look) -> SheetCell:
    return SheetCell(content=title, look=look)


def _scaled(piece: Piece, look: Look) -> SheetCell:
    """Show a number in the unit of its look."""
    if look not in ("microseconds", "card_time"):
        return SheetCell(content=piece.value, formula=piece.text, look=look)
    return SheetCell(content=piece.value * _MICRO, formula=f"{piece.text}*10^6", look=look)


def _stage_line(question: AnswerSource, index: int, total_row: int) -> SheetLine:
    """Show what one stage costs, or the whole."""
    row = question.fold.leaves.rows[index]
    number = Piece(text=f"{NODES}!{xl_col_to_name(FIRST_METRIC - 1)}{FIRST_ROW + index}", value=1)
    calls = SheetCell()
    if index:
        calls = SheetCell(content=question.result.nodes[index - 1].calls, formula=number.text, look="whole")
    cells = [_scaled(question.number(metric, index), look) for metric, (_, look) in _SHOWN.items()]
    column = xl_col_to_name(len(cells) + 1)
    time, whole = (question.number(_TIME, place).value for place in (index, 0))
    own_row = total_row if not index else total_row - len(question.stages) + question.stages.index(index)
    share = SheetCell(
        content=time / whole if whole else 0,
        formula=f"IF({column}{total_row}>0,{column}{own_row}/{column}{total_row},0)",
        look="share",
    )
    name = SheetCell(content=row.path or "total")
    return SheetLine(cells=(name, calls, *cells, share), weight="layer" if index else "total")


def _memory_line(question: AnswerSource, index: int, row: int) -> SheetLine:
    """Show what is resident at the worst moment of one stage, and the part of it of what may be taken."""
    formula = load_metrics()[_PEAK].formula
    assert formula is not None  # noqa: S101 - the registry gives it
    parts = {
        "resident_weight_bytes": question.number(_WEIGHTS, 0),
        "forward_kv_cache_bytes": question.number(_CACHE, index),
        "live_activation_bytes": question.live[index],
    }
    places = [str(xl_rowcol_to_cell(row - 1, column)) for column in range(1, len(_PARTS))]
    own = {
        name: Piece(text=place, value=part.value) for (name, part), place in zip(parts.items(), places, strict=False)
    }
    together = _printed(formula, own)
    capacity = question.symbols["capacity"]
    share = SheetCell(
        content=arithmetic.divide(together.value, capacity.value),
        formula=f"{places[-1]}/{capacity.text}",
        look="share",
    )
    cells = [_scaled(part, "bytes") for part in parts.values()]
    name = SheetCell(content=question.fold.leaves.rows[index].path)
    return SheetLine(cells=(name, *cells, _scaled(together, "bytes"), share), weight="layer")


def _printed(formula: Expression, cells: Mapping[str, Piece]) -> Piece:
    """Print a formula of other cells; it is far too short to be cut."""
    scope = {name: symbolic.symbol(name) for name in names(formula)}
    never = Printer(cells, lambda piece: piece, lambda last, _: last)
    return never.piece(sympy.sympify(evaluate(formula, scope, symbolic)))


def _cards(question: AnswerSource, peaks: Sequence[SheetCell], first: int) -> list[SheetLine]:
    """Show the numbers that are asked most: what a reader waits for, the whole, the memory, and whether it fits."""
    cards: list[tuple[str, SheetCell]] = [(title, cell) for title, cell in _latencies(question)]
    cards.append(("whole workload", _scaled(question.number(_TIME, 0), "card_time")))
    capacity = question.symbols["capacity"]
    column, last = xl_col_to_name(len(_PARTS) - 1), first + len(peaks) - 1
    most = max(cell.content for cell in peaks if isinstance(cell.content, int | float | Fraction))
    peak = Piece(text=f"MAX({column}{first}:{column}{last})", value=most)
    cards.append(("memory at its peak", _scaled(peak, "card_bytes")))
    cards.append(("memory it may take", _scaled(capacity, "card_bytes")))
    verdict = "fits" if peak.value <= capacity.value else "does not fit"
    formula = f'IF({peak.text}<={capacity.text},"fits","does not fit")'
    cards.append(("verdict", SheetCell(content=verdict, formula=formula, look="verdict")))
    rest = len(_COLUMNS) - len(cards)
    labels = (*(SheetCell(content=title, look="label") for title, _ in cards), *[SheetCell(look="label")] * rest)
    numbers = (*(cell for _, cell in cards), *[SheetCell(look="card_time")] * rest)
    return [SheetLine(cells=labels, text_lines=2), SheetLine(cells=numbers, text_lines=2)]


def _latencies(question: AnswerSource) -> Iterable[tuple[str, SheetCell]]:
    """Yield the title and the cell of each latency that the model file gives a formula."""
    given = question.scenario.definition.latencies
    rows = {question.fold.leaves.rows[index].path: index for index in question.stages}
    for metric, title in _LATENCIES.items():
        registered = load_metrics()[metric]
        if registered.latency not in given:
            continue
        formula = given[registered.latency]
        # What it divides by may be nothing now: only the text is taken from here.
        texts = {name: question.on_nodes(registered.of, rows[name]) if name in rows else "" for name in names(formula)}
        cells = {name: Piece(text=text or question.symbols[name].text, value=1) for name, text in texts.items()}
        seconds = question.result.total[metric]
        yield (
            title,
            SheetCell(
                content=_NONE if seconds is None else seconds * _MICRO,
                formula=f'IFERROR(({_printed(formula, cells).text})*10^6,"{_NONE}")',
                look="card_time",
            ),
        )


def _charts(question: AnswerSource, stages: int, memory: int) -> tuple[SheetChart, ...]:
    """Draw the time of each stage, and what is resident at its worst moment."""
    count = len(question.stages)

    def column(place: int, first: int) -> str:
        name = xl_col_to_name(place)
        return f"{ANSWER}!${name}${first}:${name}${first + count - 1}"

    row = memory + count + 1
    time = column(len(_SHOWN) + 1, stages)
    parts = zip(("all weights", "KV cache", "activations"), range(1, 4), (_BLUE, _GREEN, _AMBER), strict=True)
    return (
        SheetChart(
            title="Time by stage",
            place=f"A{row}",
            names=column(0, stages),
            series=(("time", time, _BLUE),),
            look="microseconds",
            width=_CHARTS[0],
            height=_HEIGHT,
        ),
        SheetChart(
            title="Memory at the worst moment of each stage",
            place=f"F{row}",
            names=column(0, memory),
            series=tuple((title, column(place, memory), colour) for title, place, colour in parts),
            look="bytes",
            width=_CHARTS[1],
            height=_HEIGHT,
        ),
    )


def _notes() -> list[SheetLine]:
    """Say what the columns mean."""
    metrics = load_metrics()
    shown = {**{name: title for name, (title, _) in _SHOWN.items()}, _PEAK: "memory"}
    said = [f"{' '.join(title.split())}: {metrics[name].definition}." for name, title in shown.items()]
    units = "GB = 1e9 bytes. Cells of this sheet hold FLOPs, bytes and microseconds; seconds stand on the sheet Nodes."
    return [text_line(text, look="note") for text in (*said, units)]
