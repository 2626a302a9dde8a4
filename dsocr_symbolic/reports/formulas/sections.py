"""The metrics of one call, laid out: every one of the registry that a call has, taken apart."""

from collections.abc import Mapping, Sequence

import sympy
from attrs import frozen

from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.language.formula import Operator, outputs
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.network.liveness import Memory, memory
from dsocr_symbolic.network.node import Node, Storage, walk
from dsocr_symbolic.reports.formulas import summands
from dsocr_symbolic.reports.formulas.alone import OF_A_CALL, Alone, is_spliced, local_names, local_value
from dsocr_symbolic.reports.formulas.layout import Scripts, aligned, is_short, scripts_of, steps, sum_rows, summand_rows
from dsocr_symbolic.reports.formulas.summands import Summand
from dsocr_symbolic.writing.latex import upright

_SAVED = "By the line that saves a tensor first; weights are at hand anyway."
_COMPULSORY = "Of a line: its weights and its KV cache; what passes between the lines is never moved."


@frozen(kw_only=True)
class Section:
    """One metric of a call.

    Attributes
    ----------
    metric, unit, definition : str
        From the registry.
    says : str
        A sentence before the formulas, or in their place.
    blocks : tuple of str
        LaTeX.
    value : number
        The result.
    used : frozenset of str
        Symbols that stand in the formulas.
    """

    metric: str
    unit: str
    definition: str
    says: str
    blocks: tuple[str, ...]
    value: Exact
    used: frozenset[str]


@frozen(kw_only=True)
class PeakTensors:
    """When the most is alive, and what.

    Attributes
    ----------
    at : str
        The operator that runs then, below the call; empty for an operator itself.
    alive : tuple of Summand
        The tensors that lie in memory, with their bytes: they add up to ``forward_activation_bytes``.
    """

    at: str
    alive: tuple[Summand, ...]


def sections(alone: Alone) -> tuple[list[Section], list[str]]:
    """Lay out every metric of a call, forward before backward, and name those that are 0 whatever the sizes."""
    scripts = scripts_of(alone)
    metrics = [metric for metric in load_metrics().values() if metric.kind in OF_A_CALL]
    laid_out = {
        metric.name: (_peak if metric.kind == "peak" else _added)(alone, metric, scripts)
        for metric in sorted(metrics, key=lambda metric: metric.name.startswith("backward_"))
    }
    zeros = [name for name, section in laid_out.items() if section is None]
    return [section for section in laid_out.values() if section is not None], zeros


def local_block(alone: Alone) -> tuple[str, frozenset[str]]:
    """Lay out the local names of a formula, and say which symbols they use."""
    scripts = scripts_of(alone)
    rows: list[str] = []
    used: set[str] = set()
    for name in local_names(alone.formula):
        expression = local_value(alone, name)
        rows += steps(upright(name), expression, alone.numbers[name], scripts)
        used |= {str(symbol) for symbol in expression.free_symbols}
    return aligned(rows) if rows else "", frozenset(used)


def _added(alone: Alone, metric: Metric, scripts: Scripts) -> Section | None:
    """Lay out a metric that adds up."""
    if alone.groups and (metric.kind == "flow" or metric.name == "backward_activation_bytes"):
        parts = _of_lines(alone, metric)
        total = summands.together(alone, parts)
        says = "" if metric.kind == "flow" else _SAVED
        return _section(metric, says, _blocks(metric, parts, total, scripts), parts) if parts else None
    whole = summands.whole(alone, metric.name)
    if whole is None:
        return None
    if metric.kind == "boundary" and isinstance(alone.formula, Operator):
        return _section(metric, "Its own traffic: `forward_io_bytes`.", (), [whole])
    # Bytes of weights and their gradients follow from the parameters, part by part.
    alike = metric.kind == "stock" and metric.name != "parameters" and is_short(whole.each, scripts)
    parts = [] if alike else _of_call(alone, metric)
    says = _COMPULSORY if metric.kind == "boundary" else ""
    return _section(metric, says, _blocks(metric, parts, whole, scripts), [whole])


def _of_lines(alone: Alone, metric: Metric) -> list[Summand]:
    """Take a metric of a layer apart that is nothing but what its lines add."""
    if metric.kind != "flow":
        return summands.saved(alone)
    return summands.launches(alone) if metric.name == "operator_launches" else summands.flows(alone, metric.name)


def _of_call(alone: Alone, metric: Metric) -> list[Summand]:
    """Take another metric apart."""
    if metric.kind == "boundary":
        return summands.compulsory(alone)
    if metric.kind == "stock":
        return summands.stocks(alone, metric.name)
    return summands.tensors(alone) if metric.name == "forward_io_bytes" else summands.flows(alone, metric.name)


def _blocks(metric: Metric, parts: Sequence[Summand], total: Summand, scripts: Scripts) -> tuple[str, ...]:
    """Write a metric in one formula, or as a sum of parts."""
    if len(parts) > 1:
        return sum_rows(metric, parts, total, scripts)
    (part,) = parts or [total]
    return (aligned(summand_rows(metric.latex, part, scripts, unit=metric.unit)),)


def _section(metric: Metric, says: str, blocks: tuple[str, ...], used: Sequence[Summand]) -> Section:
    symbols = {symbol.name for part in used if part.expression is not None for symbol in part.expression.free_symbols}
    return Section(
        metric=metric.name,
        unit=metric.unit,
        definition=metric.definition,
        says=says,
        blocks=blocks,
        value=sum(part.value for part in used),
        used=frozenset(symbols),
    )


def _peak(alone: Alone, metric: Metric, scripts: Scripts) -> Section | None:
    """Lay out the moment at which the most is alive."""
    peak = peak_of(alone)
    if not peak.alive:
        return None
    total = summands.together(alone, peak.alive)
    says = f"The most is alive while `{peak.at}` runs." if peak.at else "What it takes and gives."
    return _section(metric, says, _blocks(metric, peak.alive, total, scripts), peak.alive)


def peak_of(alone: Alone) -> PeakTensors:
    """Find the first moment with the most bytes."""
    memories = memory((alone.node,))
    names = _Names(alone)
    alive: list[tuple[str, Expr]] = []
    node = alone.node
    while node.children:
        around = [_around(alone, child, memories) for child in node.children]
        node = node.children[around.index(max(around))]
        alive += _alive(alone, names, memories[node.path].kept)
        if alone.exact(node.accumulated):
            alive.append((f"earlier repeats of {names.below(node.path)}", node.accumulated))
        if not alone.exact(node.runs):
            break
    if isinstance(node.formula, Operator) and alone.exact(node.runs):
        alive += _alive(alone, names, memories[node.path].touched)
    return PeakTensors(at=names.below(node.path), alive=tuple(summands.numbered(alone, alive)))


def _around(alone: Alone, node: Node, memories: Mapping[tuple[str, ...], Memory]) -> Exact:
    """Return the bytes alive at the worst moment of a call, with what its caller keeps."""
    inside = alone.exact(sympy.Add(*memories[node.path].own))
    if node.children:
        inside = max(_around(alone, child, memories) for child in node.children)
    return alone.exact(node.runs) * inside + alone.exact(sympy.Add(*memories[node.path].beside))


def _alive(alone: Alone, names: "_Names", sizes: Mapping[Storage, Expr]) -> list[tuple[str, Expr]]:
    """Return what takes room: a condition that holds is left out."""
    return [(names.of(storage), storage.size) for storage, size in sizes.items() if alone.exact(size) != 0]


class _Names:
    """What a reader of the file calls the storages of a call."""

    def __init__(self, alone: Alone) -> None:
        self.m_root = alone.node.path
        self.m_nodes = {"/".join(node.path): node for node in walk((alone.node,))}
        lines = [group for group in alone.groups if not is_spliced(group)]
        self.m_written = {"/".join(group.nodes[0].path): group.call.writes for group in lines}

    def below(self, path: tuple[str, ...]) -> str:
        """Return a path below the call."""
        return "/".join(path[len(self.m_root) :])

    def of(self, storage: Storage) -> str:
        """Return the layer's own name of a tensor, or the path of what writes it."""
        path, _, name = storage.key.rpartition(":")
        name, repeated, _ = name.partition(".all")
        every = ", of all repeats" if repeated else ""
        below = path.removeprefix("/".join(self.m_root)).removeprefix("/")
        if not below:
            return name
        node = self.m_nodes.get(path)
        if node is None:
            return below + every
        given = outputs(node.formula)
        if name not in given:
            return f"{below}, handed from repeat to repeat"
        written = self.m_written.get(path, ())
        if given.index(name) < len(written):
            return written[given.index(name)] + every
        return (below if name == given[0] else f"{below}: {name}") + every
