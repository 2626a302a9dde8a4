"""One question: a model, its choices, a workload, a machine and what the user set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.language.definition import Definition, Workload
from dsocr_symbolic.language.formula import EMPTY
from dsocr_symbolic.language.lookup import layer_definition
from dsocr_symbolic.scenario.config_file import read_config
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu
from dsocr_symbolic.scenario.origins import layered
from dsocr_symbolic.scenario.values import Values, choose, load_workload, resolve


@frozen(kw_only=True)
class Scenario:
    """Everything that decides the numbers, by name or as data.

    Attributes
    ----------
    definition : Definition
        The model, or one layer in its stead.
    options : mapping of str to str
        The option of every choice.
    workload : Workload or None
        None for a layer alone.
    user, config : mapping of str to number
        What the user set, and the sizes of a config.json.
    gpu : Gpu
        The machine.
    waived : frozenset of str
        Switches that lift rules.
    """

    definition: Definition
    options: Mapping[str, str]
    workload: Workload | None
    user: Mapping[str, Any]
    config: Mapping[str, Any]
    gpu: Gpu
    waived: frozenset[str]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What user, workload and config set, the user's word the last."""
        return layered(self.user, self.workload.values if self.workload else EMPTY, self.config)


def of_layer(scenario: Scenario, layer: Definition) -> Scenario:
    """Return the question of one layer: with those values that it has symbols for."""

    def kept(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in layer.quantities}

    workload = scenario.workload and evolve(scenario.workload, values=kept(scenario.workload.values))
    user, config = kept(scenario.user), kept(scenario.config)
    return evolve(scenario, definition=layer, workload=workload, user=user, config=config)


def with_user(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    """Return the question with some more of the user's own values."""
    return evolve(scenario, user={**scenario.user, **settings})


def make_scenario(
    *,
    definition: Definition,
    layer: str | None = None,
    workload: str | None = None,
    settings: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    gpu: str | None = None,
    config: Path | None = None,
    waived: frozenset[str] = frozenset(),
) -> Scenario:
    """Put a question together, of one layer alone if one is named; what is None is the model's default."""
    options = choose(definition, choices or {})
    constants = read_config(definition, config) if config else {}
    named = definition.default_workload if workload is None else workload
    chosen = None if layer is not None else load_workload(definition, named)
    if layer is not None:
        definition = layer_definition(definition, layer)
    return Scenario(
        definition=definition,
        options=options,
        workload=chosen,
        user=dict(settings or {}),
        config=constants,
        gpu=load_gpu(gpu or definition.default_gpu),
        waived=waived,
    )


def scenario_values(scenario: Scenario, settings: Mapping[str, Any] | None = None) -> Values:
    """Return the number of every symbol, with some more settings if there are."""
    return resolve(
        scenario.definition,
        options=scenario.options,
        settings=(with_user(scenario, settings) if settings else scenario).settings,
        gpu=scenario.gpu,
        waived=scenario.waived,
    )
