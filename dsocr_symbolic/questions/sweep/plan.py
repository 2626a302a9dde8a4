"""A sweep before it runs: its axes, one compiled function per combination of names, any of its points."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from numbers import Number
from typing import Any

import numpy as np
from attrs import evolve, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.questions.sweep.axes import Axis, at, check_axes, is_named, make_axis
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins, unverified
from dsocr_symbolic.scenario.values import choose
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
class Plan:
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
    """

    axes: tuple[Axis, ...]
    metrics: tuple[Metric, ...]
    parts: tuple[str, ...]
    part_dimension: str
    functions: tuple[Compiled, ...]
    about: Mapping[str, str]

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
    **vary: Any,
) -> Plan:
    """Plan what :func:`~dsocr_symbolic.questions.sweep.dataset.sweep` evaluates; ``threads``: one per core if None."""
    question = _question(model.definition, dict(settings or {}), vary)
    asked = (metrics,) if isinstance(metrics, str) else tuple(dict.fromkeys(metrics))
    stages = (*(stage.path[0] for stage in model.stages), "total")
    parts = (by,) if isinstance(by, str) and by != "stage" else stages if by == "stage" else tuple(dict.fromkeys(by))
    if not asked or not parts:
        raise UserError("nothing is asked; name a metric (dsocr symbols --metrics) and a part")
    arguments = {"settings": question.settings, "by": parts, "waived": tuple(waived), "threads": threads}
    functions = tuple(_functions(model, question, asked, arguments))
    registered = tuple(load_metrics()[name] for name in asked)
    unverified = _unverified(model, question, registered, parts)
    return Plan(
        axes=question.axes,
        metrics=registered,
        parts=parts,
        part_dimension="stage" if by == "stage" else "" if isinstance(by, str) else "part",
        functions=functions,
        about=_about(model, question) | ({"unverified": unverified} if unverified else {}),
    )


@frozen(kw_only=True)
class _Asked:
    """What varies, and which names and numbers are the same at every point."""

    axes: tuple[Axis, ...]
    names: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def named(self) -> tuple[Axis, ...]:
        return tuple(axis for axis in self.axes if not axis.numbers)

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(symbol for axis in self.axes for symbol in axis.numbers)


def _question(definition: Definition, settings: dict[str, Any], vary: Mapping[str, Any]) -> _Asked:
    """Sort what a user gave."""
    names: dict[str, str] = {}
    axes: list[Axis] = []
    for word, values in vary.items():
        name = word.replace("-", "_")
        if is_named(definition, name) and isinstance(values, str):
            names[name] = values
        elif isinstance(values, Number) or getattr(values, "ndim", None) == 0:
            if name in settings:
                raise UserError(f"{name}: given twice, as {values} and in settings; give it once")
            settings[name] = values.item() if hasattr(values, "item") else values
        else:
            axes.append(make_axis(definition, name, values))
    check_axes(axes)
    question = _Asked(axes=tuple(axes), names=names, settings=settings)
    for symbol in question.inputs:
        if symbol in settings:
            raise UserError(f"{symbol}: varies, and is set to {settings[symbol]}; drop one of them")
    return question


def _functions(
    model: Model, question: _Asked, metrics: Sequence[str], arguments: Mapping[str, Any]
) -> Iterable[Compiled]:
    """Compile one function per combination of names."""
    models = {model.options: model}
    for combination in product(*(axis.names for axis in question.named)):
        labels = {axis.name: label for axis, label in zip(question.named, combination, strict=True)}
        chosen = {**question.names, **labels}
        try:
            options = _options(model, chosen)
            variant = models.setdefault(options, evolve(model, options=options))
            yield variant.compile(
                metrics, over=question.inputs, workload=chosen.get("workload"), gpu=chosen.get("gpu"), **arguments
            )
        except UserError as error:
            where = ", ".join(f"{name} {label}" for name, label in labels.items())
            raise UserError(f"{error}, at {where}" if where else str(error)) from None


def _options(model: Model, chosen: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the option of every choice."""
    own = {name: chosen[key] for name in model.definition.choices if (key := name.replace("-", "_")) in chosen}
    return tuple(sorted(choose(model.definition, dict(model.options) | own).items()))


def _about(model: Model, question: _Asked) -> dict[str, str]:
    """Say what does not vary."""
    definition, options = model.definition, dict(_options(model, question.names))
    varied = {axis.name for axis in question.axes}
    fixed = {
        "workload": question.names.get("workload", definition.default_workload),
        "gpu": question.names.get("gpu", definition.default_gpu),
        **{name.replace("-", "_"): options[name] for name in definition.choices},
    }
    quantities = definition.quantities
    sizes = [f"{name} = {size}" for name, size in model.config if quantities[name].formula.text != str(size)]
    given = {
        "config": ", ".join(sizes),
        "what_if": ", ".join(f"{name} = {value}" for name, value in model.overrides),
        "settings": ", ".join(f"{name} = {value}" for name, value in question.settings.items()),
    }
    about = {name: value for name, value in fixed.items() if name not in varied}
    return {"model": definition.name, **about, **{name: said for name, said in given.items() if said}}


def _unverified(model: Model, question: _Asked, metrics: Iterable[Metric], parts: Iterable[str]) -> str:
    """Name the GPUs' numbers that times rest on and that no source confirms."""
    times = [metric.name for metric in metrics if metric.unit == "s"]
    asked = [(metric, "" if part == "total" else part) for metric in times for part in parts]
    used = {str(symbol) for metric, path in asked for symbol in model[path].metric(metric).free_symbols}
    free = [name for name in used if name not in (*question.inputs, *question.settings)]
    options = dict(_options(model, question.names))
    marked = []
    fixed = question.names.get("gpu", model.definition.default_gpu)
    varied = [name for axis in question.named if axis.name == "gpu" for name in axis.names]
    for name in varied or [fixed]:
        gpu = load_gpu(name)
        sources = origins(model.definition, options, question.settings, gpu)
        doubtful = unverified((sources[symbol] for symbol in free), gpu)
        marked += [f"{key} of {name}" for key in sorted(set(doubtful))]
    return ", ".join(marked)
