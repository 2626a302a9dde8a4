"""A sweep before it runs: its axes, one compiled function per combination of names, any of its points."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.questions.sweep.asked import about_of, asked_of, functions_of, machine_notes, set_along
from dsocr_symbolic.questions.sweep.axes import Axis, at
from dsocr_symbolic.questions.sweep.boxes import Spans, boxes, sides
from dsocr_symbolic.version import __version__

_POINT = re.compile(r" \(point (\d+)\)$")
_MOST_ROWS, _MOST_NUMBERS = 2**20, 2**23
Places = tuple[Any, ...]


@frozen(kw_only=True)
class Column:
    """One number of every point.

    Attributes
    ----------
    metric, part : str
    """

    metric: str
    part: str


@frozen(kw_only=True, eq=False)
class SweepPlan:
    """A sweep: picklable, and safe to evaluate from many threads and processes.

    Attributes
    ----------
    axes : tuple of Axis
        Its dimensions, the last one varying fastest.
    metrics : tuple of Metric
        What is asked.
    parts : tuple of str
        Of which parts.
    part_dimension : str
        ``stage`` or ``part``; empty for one part.
    functions : tuple of Compiled
        One per combination of names, in the order of the axes.
    about : mapping of str to str
        What does not vary: model, workload, gpu, choices, settings.
    overridden : mapping of str to mapping
        What was set at every point, as JSON says it.
    doubts : tuple of str
        What is doubtful about numbers of conventions and machine that are the same at every point.
    command : str
        What was typed for it; empty in Python.
    """

    axes: tuple[Axis, ...]
    metrics: tuple[Metric, ...]
    parts: tuple[str, ...]
    part_dimension: str
    functions: tuple[Compiled, ...]
    about: Mapping[str, str]
    overridden: Mapping[str, Mapping[str, Any]]
    doubts: tuple[str, ...]
    command: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of labels of every axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def count(self) -> int:
        """The number of points."""
        return prod(self.shape)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The numbers of a point."""
        return tuple(Column(metric=metric.name, part=part) for metric in self.metrics for part in self.parts)

    @property
    def block(self) -> int:
        """Points to evaluate at once: a matter of 100 MB."""
        return max(1, min(_MOST_ROWS, _MOST_NUMBERS // (len(self.columns) + len(self.axes))))

    @property
    def titles(self) -> list[str]:
        """``roofline_s`` for each column, or ``roofline_s[prefill]`` where there are several parts."""
        return [f"{name.metric}[{name.part}]" if self.part_dimension else name.metric for name in self.columns]

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Cut the points, in C order, into ranges ``(start, stop)`` of at most :attr:`block`."""
        for start in range(0, self.count, self.block):
            yield start, min(start + self.block, self.count)

    def places(self, start: int, stop: int) -> Places:
        """Return one array of places per axis, of the points ``start`` to ``stop`` in C order."""
        return np.unravel_index(np.arange(start, stop), self.shape)

    def coordinates(self, places: Places) -> dict[str, Any]:
        """Return labels by axis, and the symbols of crop grids, of points at one array of places per axis."""
        along: dict[str, Any] = {}
        for axis, place in zip(self.axes, places, strict=True):
            numbers = {symbol: values for symbol, values in axis.numbers.items() if symbol != axis.name}
            along |= {name: at(values, place) for name, values in {axis.name: axis.labels, **numbers}.items()}
        return along

    def evaluate(self, places: Places) -> list[Any]:
        """Evaluate points: a float64 array per column, NaN for a ratio of nothing; raise where one is not allowed."""
        results = [np.empty(len(places[0])) for _ in self.columns]
        for function, where in self.combinations(places):
            try:
                result = function(**self.inputs(places, where))
            except UserError as error:
                raise self._located(error, [along[where] for along in places]) from None
            for room, column in zip(results, self.columns, strict=True):
                value = result[column.metric][column.part]
                room[where] = np.nan if value is None else value
        return results

    def evaluate_range(self, start: int, stop: int) -> list[Any]:
        """Evaluate the points ``start`` to ``stop`` in C order as :meth:`evaluate` does: bit for bit, and faster."""
        results = [np.empty(stop - start) for _ in self.columns]
        done = 0
        try:
            for spans in boxes(start, stop, self.shape):
                count = prod(sides(spans))
                self.evaluate_box(spans, [room[done : done + count].reshape(sides(spans)) for room in results])
                done += count
        except UserError:
            # Points one after another tell which is the first that is not allowed.
            return self.evaluate(self.places(start, stop))
        return results

    def evaluate_box(self, spans: Spans, rooms: Sequence[Any]) -> None:
        """Evaluate a box of points, its axes kept apart, into an array for each column."""
        for function, inputs, where in self.grids(spans):
            result = function(**inputs)
            for room, column in zip(rooms, self.columns, strict=True):
                value = result[column.metric][column.part]
                room[where] = np.nan if value is None else value

    def grids(self, spans: Spans) -> Iterator[tuple[Compiled, dict[str, Any], tuple[Any, ...]]]:
        """Yield each function that a box needs, what varies as arrays that broadcast, and where in the box that is."""
        varying = [place for place, axis in enumerate(self.axes) if axis.numbers]
        inputs: dict[str, Any] = {}
        for dimension, place in enumerate(varying, start=1):
            along = np.arange(*spans[place]).reshape(-1, *(1,) * (len(varying) - dimension))
            inputs |= {name: at(numbers, along) for name, numbers in self.axes[place].numbers.items()}
        named = [place for place, axis in enumerate(self.axes) if not axis.numbers]
        for labels in product(*(range(*spans[place]) for place in named)):
            which = 0
            where: list[Any] = [slice(None)] * len(spans)
            for place, label in zip(named, labels, strict=True):
                which = which * len(self.axes[place]) + label
                where[place] = label - spans[place][0]
            yield self.functions[which], inputs, tuple(where)

    def inputs(self, places: Places, where: Any) -> dict[str, Any]:
        """Return what varies of some of the places, by symbol."""
        axes = zip(self.axes, places, strict=True)
        return {name: at(numbers, along[where]) for axis, along in axes for name, numbers in axis.numbers.items()}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that decides the numbers, their order and what is said of them."""
        asked = (__version__, sorted(self.about.items()), self.columns, self.block)
        digest = hashlib.sha256(repr(asked).encode())
        for axis in self.axes:
            digest.update(axis.name.encode())
            for numbers in (axis.labels, *axis.numbers.values()):
                described = numbers.tolist() if isinstance(numbers, np.ndarray) else numbers
                digest.update(repr(described).encode())
        for function in self.functions:
            sources = (function.follow, function.require, function.decimal, function.exact)
            digest.update(repr((function.outputs, sorted(function.waived), sources)).encode())
        return digest.hexdigest()

    def combinations(self, places: Places) -> Iterator[tuple[Compiled, Any]]:
        """Yield each function with the points that it is for."""
        named = [(len(axis), along) for axis, along in zip(self.axes, places, strict=True) if not axis.numbers]
        if not named:
            yield self.functions[0], slice(None)
            return
        which = np.ravel_multi_index([along for _, along in named], [length for length, _ in named])
        for combination in np.unique(which):
            yield self.functions[combination], np.flatnonzero(which == combination)

    def _located(self, error: UserError, places: Sequence[Any]) -> UserError:
        """Name the point that a function knows by its number."""
        point = _POINT.search(str(error))
        shown = self.shown(places, int(point[1]) if point else 0)
        return UserError(f"{_POINT.sub('', str(error))}, at {shown}")

    def shown(self, places: Sequence[Any], place: int) -> str:
        """Say where a point lies."""
        return ", ".join(
            f"{axis.name} {at(axis.labels, along[place : place + 1]).tolist()[0]}"
            for axis, along in zip(self.axes, places, strict=True)
        )


def plan_sweep(
    model: Model,
    *,
    metrics: str | Sequence[str],
    by: str | Sequence[str] = "total",
    settings: Mapping[str, Any] | None = None,
    waived: Iterable[str] = (),
    threads: int | None = None,
    command: str = "",
    **vary: Any,
) -> SweepPlan:
    """Plan what :func:`~dsocr_symbolic.questions.sweep.dataset.sweep` evaluates; ``threads``: one per core if None."""
    question = asked_of(model, dict(settings or {}), vary)
    asked = (metrics,) if isinstance(metrics, str) else tuple(dict.fromkeys(metrics))
    stages = (*model.stage_names, "total")
    parts = (by,) if isinstance(by, str) and by != "stage" else stages if by == "stage" else tuple(dict.fromkeys(by))
    if not asked or not parts:
        raise UserError("nothing is asked; name a metric (dsocr symbols --metrics) and a part")
    arguments = {"settings": question.settings, "by": parts, "waived": tuple(waived), "threads": threads}
    functions = tuple(functions_of(model, question, asked, arguments))
    overridden, doubtful = set_along(model, question, waived)
    registered = tuple(load_metrics()[name] for name in asked)
    return SweepPlan(
        axes=question.axes,
        metrics=registered,
        parts=parts,
        part_dimension="stage" if by == "stage" else "" if isinstance(by, str) else "part",
        functions=functions,
        about=about_of(model, question, waived) | machine_notes(model, question, registered, parts),
        overridden=overridden,
        doubts=doubtful,
        command=command,
    )
