"""One question: a model, its choices, a workload, a machine and what the user set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.definition import Definition, Workload
from dsocr_symbolic.language.lookup import layer_definition
from dsocr_symbolic.scenario.config_file import read_config
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu
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
    settings : mapping of str to number
        Config, workload and the user's own values, the last word already taken.
    gpu : Gpu
        The machine.
    waived : frozenset of str
        Switches that lift rules.
    """

    definition: Definition
    options: Mapping[str, str]
    workload: Workload | None
    settings: Mapping[str, Any]
    gpu: Gpu
    waived: frozenset[str]


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
    """Put a question together.

    Parameters
    ----------
    definition : Definition
        The model.
    layer : str or None
        A layer to evaluate alone.
    workload : str or None
        Name or file; the model's default if None.
    settings : mapping of str to number, optional
        The user's own values.
    choices : mapping of str to str, optional
        Options that differ from the defaults.
    gpu : str or None
        Name or file; the model's default if None.
    config : Path or None
        A Hugging Face config.json.
    waived : frozenset of str
        Switches that lift rules.

    Returns
    -------
    Scenario
        The question.

    Raises
    ------
    UserError
        If a name is unknown or a file is wrong.
    """
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
        settings={**constants, **(chosen.values if chosen else {}), **(settings or {})},
        gpu=load_gpu(gpu or definition.default_gpu),
        waived=waived,
    )


def scenario_values(scenario: Scenario, settings: Mapping[str, Any] | None = None) -> Values:
    """Return the number of every symbol, with some more settings if there are."""
    return resolve(
        scenario.definition,
        options=scenario.options,
        settings={**scenario.settings, **(settings or {})},
        gpu=scenario.gpu,
        waived=scenario.waived,
    )
