"""What a sweep asks: names and values of a user become axes and compiled functions."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from numbers import Number
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.questions.sweep.axes import Axis, check_axes
from dsocr_symbolic.questions.sweep.plan import Plan
from dsocr_symbolic.questions.sweep.vary import is_named, make_axis
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins, unverified
from dsocr_symbolic.scenario.values import choose


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
    """Plan a sweep and compile its functions.

    Parameters
    ----------
    model : Model
        The network.
    metrics : str or sequence of str
        Names of the registry.
    by : str or sequence of str
        ``"total"``, ``"stage"`` for every stage and the total, the path of a part, or several of them.
    settings : mapping of str to number, optional
        Values of symbols that do not vary.
    waived : iterable of str
        Switches that lift rules: ``["allow_any_grid"]``.
    threads : int, optional
        Threads over blocks of points; one per core if left out.
    **vary
        By symbol, choice, ``gpu``, ``workload`` or ``crop_grid``: several values make an axis, see
        :func:`~dsocr_symbolic.questions.sweep.axes.make_axis`; a single number or name is what it is at every point.

    Returns
    -------
    Plan
        Ready to run.

    Raises
    ------
    UserError
        If a name or value is wrong, or given twice.
    """
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
    def gpus(self) -> list[str]:
        varied = [name for axis in self.named if axis.name == "gpu" for name in axis.names]
        return varied or [self.names["gpu"]] if varied or "gpu" in self.names else []

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
    found = {"model": definition.name, **{name: value for name, value in fixed.items() if name not in varied}}
    sizes = [f"{name} = {size}" for name, size in model.config if definition.quantities[name].formula.text != str(size)]
    if sizes:
        found["config"] = ", ".join(sizes)
    if model.overrides:
        found["what_if"] = ", ".join(f"{name} = {value}" for name, value in model.overrides)
    if question.settings:
        found["settings"] = ", ".join(f"{name} = {value}" for name, value in question.settings.items())
    return found


def _unverified(model: Model, question: _Asked, metrics: Iterable[Metric], parts: Iterable[str]) -> str:
    """Name the GPUs' numbers that times rest on and that no source confirms."""
    times = [metric.name for metric in metrics if metric.unit == "s"]
    asked = [(metric, "" if part == "total" else part) for metric in times for part in parts]
    used = {str(symbol) for metric, path in asked for symbol in model[path].metric(metric).free_symbols}
    free = [name for name in used if name not in (*question.inputs, *question.settings)]
    options = dict(_options(model, question.names))
    found = []
    for name in question.gpus or [model.definition.default_gpu]:
        gpu = load_gpu(name)
        sources = origins(model.definition, options, question.settings, gpu)
        doubtful = unverified((sources[symbol] for symbol in free), gpu)
        found += [f"{key} of {name}" for key in sorted(set(doubtful))]
    return ", ".join(found)
