"""What a sweep asks: axes that vary, names and numbers that stay, and a function for each combination of names."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from numbers import Number
from typing import Any

import numpy as np
from attrs import evolve, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.formulas import symbols_at
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.registry import Metric
from dsocr_symbolic.language.time_formula import is_bound, is_forecast
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.sweep.axes import Axis, Numbers, at, check_axes, is_named, make_axis
from dsocr_symbolic.questions.sweep.grids import most_pieces
from dsocr_symbolic.scenario.claims import claims_of
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins, unverified
from dsocr_symbolic.scenario.provenance import common
from dsocr_symbolic.scenario.scenario import doubts, make_scenario, refuse_idle
from dsocr_symbolic.scenario.values import choose, own_options


@frozen(kw_only=True)
class Asked:
    """What varies, and which names and numbers are the same at every point."""

    axes: tuple[Axis, ...]
    names: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def named(self) -> tuple[Axis, ...]:
        """The axes of names: machines, workloads, options."""
        return tuple(axis for axis in self.axes if not axis.numbers)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The symbols that vary."""
        return tuple(self.numbers)

    @property
    def numbers(self) -> Mapping[str, Numbers]:
        """The values of each of them along its axis."""
        return {symbol: numbers for axis in self.axes for symbol, numbers in axis.numbers.items()}


def asked_of(model: Model, settings: dict[str, Any], vary: Mapping[str, Any]) -> Asked:
    """Sort what a user gave."""
    names: dict[str, str] = {}
    several: dict[str, Any] = {}
    for word, values in vary.items():
        name = word.replace("-", "_")
        if is_named(model.definition, name) and isinstance(values, str):
            names[name] = values
        elif isinstance(values, Number) or getattr(values, "ndim", None) == 0:
            if name in settings:
                raise UserError(f"{name}: given twice, as {values} and in settings; give it once")
            settings[name] = values.item() if hasattr(values, "item") else values
        else:
            several[name] = values
    for choice, definition in model.definition.choices.items():
        varied = {**names, **several}.get(choice.replace("-", "_"), ())
        for label in (varied,) if isinstance(varied, str) else varied:
            if label in definition.options:
                refuse_idle(model.definition, {choice: label}, settings)
    most = most_pieces(model, settings, {**names, **several})
    axes = [make_axis(model.definition, name, values, most) for name, values in several.items()]
    check_axes(axes)
    asked = Asked(axes=tuple(axes), names=names, settings=settings)
    for symbol in asked.inputs:
        if symbol in settings:
            raise UserError(f"{symbol}: varies, and is set to {settings[symbol]}; drop one of them")
    return asked


def functions_of(
    model: Model, asked: Asked, metrics: Sequence[str], arguments: Mapping[str, Any]
) -> Iterable[Compiled]:
    """Compile one function per combination of names."""
    models = {model.options: model}
    for combination in product(*(axis.names for axis in asked.named)):
        labels = {axis.name: label for axis, label in zip(asked.named, combination, strict=True)}
        chosen = {**asked.names, **labels}
        try:
            options = _options(model, chosen)
            variant = models.setdefault(options, evolve(model, options=options))
            yield variant.compile(
                metrics, over=asked.inputs, workload=chosen.get("workload"), gpu=chosen.get("gpu"), **arguments
            )
        except UserError as error:
            where = ", ".join(f"{name} {label}" for name, label in labels.items())
            raise UserError(f"{error}, at {where}" if where else str(error)) from None


def _options(model: Model, chosen: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the option of every choice."""
    own = {name: chosen[key] for name in model.definition.choices if (key := name.replace("-", "_")) in chosen}
    return tuple(sorted(choose(model.definition, _chosen(model) | own).items()))


def _chosen(model: Model) -> dict[str, str]:
    return own_options(model.definition, dict(model.options), model.said)


def about_of(model: Model, asked: Asked, waived: Iterable[str]) -> dict[str, str]:
    """Say what does not vary."""
    definition, options = model.definition, dict(_options(model, asked.names))
    varied = {axis.name for axis in asked.axes}
    fixed = {
        "workload": asked.names.get("workload", definition.default_workload),
        "gpu": asked.names.get("gpu", definition.default_gpu),
        **{name.replace("-", "_"): options[name] for name in definition.choices},
    }
    quantities = definition.quantities
    sizes = [f"{name} = {size}" for name, size in model.config if quantities[name].formula.text != str(size)]
    given = {
        "config": ", ".join(sizes),
        "what_if": ", ".join(f"{name} = {value}" for name, value in model.overrides),
        "settings": ", ".join(f"{name} = {value}" for name, value in asked.settings.items()),
        "waived": ", ".join(waived),
    }
    about = {name: value for name, value in fixed.items() if name not in varied}
    return {"model": definition.name, **about, **{name: said for name, said in given.items() if said}}


def set_along(
    model: Model, asked: Asked, waived: Iterable[str]
) -> tuple[dict[str, Mapping[str, Any]], tuple[str, ...]]:
    """Return what was set at every point, as plain data, and what is doubtful; a default that differs is None."""
    first = {name: at(numbers, np.zeros(1, dtype=np.int64)).tolist()[0] for name, numbers in asked.numbers.items()}
    along, doubtful = [], dict[str, None]()
    for combination in product(*(axis.names for axis in asked.named)):
        chosen = {**asked.names, **{axis.name: label for axis, label in zip(asked.named, combination, strict=True)}}
        options = _options(model, chosen)
        scenario = make_scenario(
            definition=model.definition,
            workload=chosen.get("workload"),
            gpu=chosen.get("gpu"),
            settings={**asked.settings, **first},
            choices=own_options(model.definition, dict(options)),
            waived=frozenset(waived),
        )
        doubtful |= dict.fromkeys(doubts(scenario, asked.inputs))
        question = Question(model=evolve(model, options=options), scenario=evolve(scenario, config=dict(model.config)))
        along.append({name: told for name, told in question.was_set(asked.inputs).items() if name not in asked.inputs})
    return {name: setting.data for name, setting in common(along).items()}, tuple(doubtful)


def machine_notes(model: Model, asked: Asked, metrics: Iterable[Metric], parts: Iterable[str]) -> dict[str, str]:
    """Name the GPUs' numbers that times rest on and no source confirms, and those that bounds miss."""
    times = [metric.name for metric in metrics if metric.unit == "s"]
    paths = [(metric, "" if part == "total" else part) for metric in times for part in parts]
    if model.overrides:
        used = {str(symbol) for metric, path in paths for symbol in model[path].metric(metric).free_symbols}
    else:
        used = {*symbols_at(model.definition, model.options, [(metric, model[path].path) for metric, path in paths])}
    free = [name for name in used if name not in (*asked.inputs, *asked.settings)]
    options = dict(_options(model, asked.names))
    marked: list[str] = []
    missed: list[str] = []
    unmeasured: list[str] = []
    derived: list[str] = []
    fixed = asked.names.get("gpu", model.definition.default_gpu)
    for name in [name for axis in asked.named if axis.name == "gpu" for name in axis.names] or [fixed]:
        gpu = load_gpu(name)
        sources = origins(model.definition, options, asked.settings, gpu, moved=asked.inputs)
        marked += [f"{key} of {name}" for key in sorted(set(unverified((sources[symbol] for symbol in free), gpu)))]
        known = model.definition.quantities
        given = {
            symbol: origin
            for symbol, origin in sources.items()
            if not {symbol, known[symbol].in_bounds_for} & {*asked.inputs}
        }
        claims = claims_of(given)
        missed += [f"{key} of {name}" for key in claims.bound if any(map(is_bound, times))]
        unmeasured += [f"{key} of {name}" for key in claims.lacking("wall_s")[:1] if any(map(is_forecast, times))]
        derived += [name for symbol in free if sources[symbol].kind == "derived"][:1]
    notes = {
        "unverified": ", ".join(marked),
        "unclaimed": ", ".join(missed),
        "unmeasured": ", ".join(unmeasured),
        "derived": ", ".join(derived),
    }
    return {kind: said for kind, said in notes.items() if said}
