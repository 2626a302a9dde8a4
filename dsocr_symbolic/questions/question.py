"""A question about a decision: a network at a workload on a machine."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from attrs import evolve, field, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.binding import Binding, bind
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.evaluation.terms import term_values
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import Term, known_metric, load_metrics
from dsocr_symbolic.language.time_formula import is_forecast
from dsocr_symbolic.python_api import load_model
from dsocr_symbolic.questions.settings_text import command_notes, lifted, setting_notes
from dsocr_symbolic.scenario.checks import warnings_of
from dsocr_symbolic.scenario.claims import Claims, claims_of
from dsocr_symbolic.scenario.origins import derived_from, origins, unverified
from dsocr_symbolic.scenario.provenance import Setting, what_was_set
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario
from dsocr_symbolic.scenario.values import own_options


@frozen(kw_only=True)
class Question:
    """A network and the scenario that gives all of its symbols a value.

    Attributes
    ----------
    model : Model
        The network; what :meth:`~dsocr_symbolic.evaluation.model.Model.what_if` put in holds.
    scenario : Scenario
        Workload, machine and settings.
    """

    model: Model
    scenario: Scenario = field(hash=False)

    @property
    def definition(self) -> Definition:
        """What the model file says."""
        return self.model.definition

    @cached_property
    def numbers(self) -> Mapping[str, Exact]:
        """The number of every symbol."""
        return self.bound().numbers

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the model file warns of at these numbers."""
        return warnings_of(self.definition, self.numbers)

    def bound(self, symbol: str | None = None) -> Binding:
        """Say what every symbol is: a number, or a formula of one that is left free."""
        overrides = dict(self.model.overrides)
        decided = {name for name, value in overrides.items() if name not in map(str, value.free_symbols)}
        if symbol in decided:
            raise UserError(f"{symbol}: what_if put {overrides[symbol]} in for it; start from the model before that")
        scenario = self.scenario
        return bind(
            self.definition,
            inputs=() if symbol is None else (symbol,),
            overrides=overrides,
            defaults={name: value for name, value in scenario.settings.items() if name not in (*decided, symbol)},
            settings={},
            options=dict(self.model.options),
            gpu=scenario.gpu,
        )

    def metrics(self, terms: tuple[Term, ...]) -> tuple[Any, ...]:
        """Return metrics of parts, exactly; raise where one does not exist or has no value."""
        self.refuse_unclaimed(terms, self.bound().claims)
        numbers = {name: exact(value) for name, value in self.numbers.items()}
        try:
            return term_values(self.model, terms, numbers, arithmetic)
        except (ZeroDivisionError, OverflowError) as error:
            known = load_metrics()
            named = dict.fromkeys(term.metric for term in terms)
            why = "; ".join(known[name].reason for name in named if known[name].reason) or error
            raise UserError(f"{', '.join(named)}: has no value at this workload ({why}); ask of another one") from error

    def refuse_unclaimed(self, terms: tuple[Term, ...], claims: Claims) -> None:
        """Raise where a bound or a forecast is asked of a machine on which none is claimed."""
        for term in terms:
            known_metric(term.metric)
            if refusal := claims.refusal(term.metric, self.scenario.gpu.name):
                raise UserError(refusal)

    def described(self) -> dict[str, Any]:
        """Say what it is about, as plain data."""
        scenario, options, put_in = self.scenario, dict(self.model.options), dict(self.model.overrides)
        sources = origins(self.definition, options, scenario.settings, scenario.gpu, moved=put_in)
        kept = {name: origin for name, origin in sources.items() if name not in put_in}
        return {
            "model": self.definition.name,
            "workload": scenario.workload.name if scenario.workload else None,
            "gpu": scenario.gpu.name,
            "gpu_title": scenario.gpu.title,
            "choices": options,
            "settings": {name: arithmetic.whole(value) for name, value in scenario.settings.items()},
            "overridden": {name: setting.data for name, setting in self.was_set().items()},
            "waived": sorted(scenario.waived),
            "command": scenario.command or None,
            "what_if": {name: str(value) for name, value in put_in.items()},
            "unverified": list(unverified(kept.values(), scenario.gpu)),
            "unclaimed": list(claims_of(kept).bound),
            "unmeasured": list(claims_of(kept).lacking("wall_s")),
            "derived_from": derived_from(kept.values()),
            "warnings": list(self.warnings),
        }

    def was_set(self, moving: Collection[str] = ()) -> Mapping[str, Setting]:
        """Return every symbol that was set; ``moving`` are those that vary."""
        return what_was_set(self.scenario, self.numbers, put_in=dict(self.model.overrides), moving=moving)

    def heading(self, *metrics: str) -> str:
        """Say what it is about, in one line: what was set, what differs from the defaults, and the command.

        Of ``metrics`` that are forecasts it says where nobody measured the GPU.
        """
        about = self.described()
        said = [stated(about, self.definition), *derived_notes(about, metrics)]
        return "; ".join([*said, *command_notes(self.scenario.command or None)])


def derived_notes(about: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    """Say where metrics are forecasts for a GPU that nobody measured."""
    named = [name for name in dict.fromkeys(metrics) if name in load_metrics() and is_forecast(name)]
    if not named or about["derived_from"] is None:
        return []
    return [f"{', '.join(named)} on {about['gpu']} derived from measurements of {about['derived_from']}, not measured"]


def stated(about: Mapping[str, Any], definition: Definition) -> str:
    """Say in one line what :meth:`Question.described` says: what was set, and what differs from the defaults."""
    options = definition.choices
    chosen = [f"{name} {option}" for name, option in about["choices"].items() if option != options[name].default]
    doubtful = f" (unverified: {', '.join(about['unverified'])})" if about["unverified"] else ""
    what = about["workload"] or f"the layer {definition.stages[0].name} alone"
    parts = [about["model"], what, *chosen, f"on {about['gpu_title']}{doubtful}"]
    return "; ".join([", ".join(parts), *setting_notes(about["overridden"]), *lifted(about["waived"])])


def ask(
    model: str | Model,
    *,
    workload: str | None = None,
    gpu: str | None = None,
    settings: Mapping[str, Any] | None = None,
    waived: frozenset[str] = frozenset(),
    choices: Mapping[str, str] | None = None,
) -> Question:
    """Put a question together in Python; a model that has made its choices takes no others."""
    if isinstance(model, Model) and choices:
        raise UserError(f"{next(iter(choices))}: a model has made its choices; give them to load_model")
    known = model if isinstance(model, Model) else load_model(model, **(choices or {}))
    scenario = make_scenario(
        definition=known.definition,
        workload=workload,
        settings=settings,
        choices=own_options(known.definition, dict(known.options), known.said),
        gpu=gpu,
        waived=waived,
    )
    return Question(model=known, scenario=evolve(scenario, config=dict(known.config)))


def of_scenario(scenario: Scenario) -> Question:
    """Ask about a scenario that the command line put together."""
    options = tuple(sorted(scenario.options.items()))
    model = Model(definition=scenario.definition, options=options, config=(), overrides=())
    return Question(model=model, scenario=scenario)
