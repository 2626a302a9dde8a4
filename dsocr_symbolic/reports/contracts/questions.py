"""Questions of the command line, asked by messages: the answers are the commands' own JSON."""

import io
import json
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts.question_messages import (
    NetworkQuestion,
    PlanQuestion,
    SolveQuestion,
    SweepQuestion,
    TotalsQuestion,
)
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values

# One answer is held in memory, and nobody waits for more.
MOST_POINTS = 100_000
_FILES = ("/", "\\", ".yaml", ".yml")
_ANY_GRID = "allow_any_grid"


def totals(question: TotalsQuestion) -> dict[str, Any]:
    """Answer as ``dsocr totals --format json``."""
    from dsocr_symbolic.questions.capacity import fit
    from dsocr_symbolic.questions.totals.document import totals_document

    scenario = _scenario(question)
    return totals_document(scenario, answer(scenario), operators=question.operators, memory=fit(scenario))


def sweep(question: SweepQuestion) -> dict[str, Any]:
    """Answer as ``dsocr sweep --format json``; a sweep of more points than one answer holds is refused."""
    from dsocr_symbolic.python_api import load_model
    from dsocr_symbolic.questions.sweep.axes import read_vary
    from dsocr_symbolic.questions.sweep.plan import plan_sweep
    from dsocr_symbolic.questions.sweep.rows import print_json

    if not question.metrics:
        raise UserError("metrics: name one or more; dsocr symbols --metrics lists them")
    definition = _definition(question)
    for name, values in question.vary.items():
        if name in ("gpu", "workload") and any(part in values for part in _FILES):
            raise UserError(f"vary: {name}: names alone are taken, no files; dsocr {name}s lists them")
    model = load_model(question.model, **{name.replace("-", "_"): each for name, each in question.choices.items()})
    named = {name: each for name in ("workload", "gpu") if (each := getattr(question, name)) is not None}
    vary = read_vary(definition, [f"{name}={values}" for name, values in question.vary.items()])
    if twice := sorted(vary.keys() & {*named, *(name.replace("-", "_") for name in question.choices)}):
        raise UserError(f"{twice[0]}: varies, and is given besides; drop one of them")
    plan = plan_sweep(
        model,
        metrics=question.metrics,
        by=question.by,
        settings=question.settings,
        waived=[_ANY_GRID] if question.allow_any_grid else [],
        threads=1,
        **vary,
        **named,
    )
    if plan.count * len(plan.columns) > MOST_POINTS:
        raise UserError(
            f"vary: {plan.count * len(plan.columns):,} numbers; at most {MOST_POINTS:,} are answered at once"
        )
    stream = io.StringIO()
    print_json(plan, stream)
    document: dict[str, Any] = json.loads(stream.getvalue())
    return document


def solve(question: SolveQuestion) -> dict[str, Any]:
    """Answer as ``dsocr solve --format json``."""
    from dsocr_symbolic.questions.options import as_data
    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.questions.solve.solution import solve_question

    scenario = _scenario(question)
    if question.symbol in scenario.user:
        raise UserError(f"{question.symbol}: is solved for, and has a value in settings; drop one of them")
    asked = of_scenario(scenario)
    solution = solve_question(asked, question.symbol, question.constraint, question.time)
    about = {**asked.described(), "warnings": list(solution.warnings)}
    return {**about, "time": question.time, "solution": as_data(solution)}


def plan(question: PlanQuestion) -> dict[str, Any]:
    """Answer as ``dsocr plan --format json``."""
    from dsocr_symbolic.questions.plan.asking import Request, plan_of
    from dsocr_symbolic.questions.plan.document import plan_document
    from dsocr_symbolic.questions.question import of_scenario

    for name in question.mix:
        if any(part in name for part in (*_FILES, ",", "=")):
            raise UserError(f"mix: {name}: names alone are taken, no files; dsocr workloads lists them")
    if question.mix and question.workload is not None:
        raise UserError("workload: mix names the workloads; drop one of them")
    if question.gpus and question.gpu is not None:
        raise UserError("gpu: gpus names the machines; drop one of them")
    scenario = _scenario(question)
    tokens = question.output_tokens
    _check_work(question, scenario)
    request = Request(
        mix=",".join(f"{name}={share}" for name, share in question.mix.items()) or None,
        output_tokens=None if tokens is None else str(tokens),
        gpus=question.gpus or tuple(filter(None, [question.gpu])),
        prices=question.prices,
        **{name: getattr(question, name) for name in _OF_A_PLAN},
    )
    return {**of_scenario(scenario).described(), "plan": plan_document(plan_of(scenario, request))}


def _check_work(question: PlanQuestion, scenario: Scenario) -> None:
    """Refuse a plan whose steps nobody waits for: each chunk is evaluated, and a simulation goes token by token."""
    from dsocr_symbolic.questions.plan.demand import mixed, one_kind
    from dsocr_symbolic.questions.plan.workloads import chunk_symbols

    if question.simulate and (question.output_spread or 0) > _WIDEST_SIMULATED:
        raise UserError(f"output_spread: a simulation takes {_WIDEST_SIMULATED} at most")
    roles, chunk = scenario.definition.roles, sorted(chunk_symbols(scenario.definition))
    shares = ",".join(f"{name}={share}" for name, share in question.mix.items())
    kinds = mixed(scenario, shares) if shares else one_kind(scenario)
    for numbers in (scenario_values(kind.scenario).numbers for kind in kinds):
        if any(numbers[roles.prompt_tokens] > _MOST_CHUNKS * numbers[name] for name in chunk):
            raise UserError(f"{chunk[0]}: a prompt has more than {_MOST_CHUNKS} chunks; at most that many are answered")
        if question.simulate and (question.output_tokens or numbers[roles.new_tokens]) > _MOST_SIMULATED:
            raise UserError(
                f"simulate: answers of more than {_MOST_SIMULATED} tokens; dsocr plan --simulate takes longer"
            )


_MOST_CHUNKS, _MOST_SIMULATED, _WIDEST_SIMULATED = 256, 2048, 10
# What a plan is asked in the same words here and there.
_OF_A_PLAN = (
    *("pages_per_day", "output_spread", "ttft", "tpot", "concurrency", "utilisation"),
    *("host_s", "cores", "merge_chunks", "simulate"),
)


def _definition(question: NetworkQuestion) -> Definition:
    return default_definition(question.model)


def _scenario(question: NetworkQuestion) -> Scenario:
    return make_scenario(
        definition=_definition(question),
        workload=question.workload,
        settings=question.settings,
        choices=question.choices,
        gpu=question.gpu,
        waived=frozenset({_ANY_GRID} if question.allow_any_grid else ()),
    )
