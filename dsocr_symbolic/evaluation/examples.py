"""What a file's example says, and what its formula gives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import check_counts, estimate
from dsocr_symbolic.evaluation.program import load_program
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.definition import Definition, load_definition
from dsocr_symbolic.language.expression import EMPTY, evaluate, names
from dsocr_symbolic.language.formula import Formula, Library, Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import called, called_by_own_code, default_definition, definition_of, reached
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_time
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.fold import Fold, is_detail
from dsocr_symbolic.network.leaves import leaves_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.modules import apart
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.paths import data_files, is_ours
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.values import Values, choose, chosen_slots, resolve

# Kinds of metrics that plain numbers give.
_PLAIN = ("flow", "stock")


def check_used(definition: Definition, named: Iterable[str], models: Iterable[Path]) -> None:
    """Check the examples of a user's files that a network can call, and of those that are named."""
    library, homes = load_library(), tuple(readable([*models, Path(definition.file)]))
    stems = [name for name, formula in library.formulas.items() if Path(formula.file).stem in named]
    used = [library[name] for name in called(library, definition, stems)]
    # What is called before what calls it, so that the one that is wrong is named.
    for formula in sorted(used, key=lambda formula: (_depth(library, formula), formula.name)):
        if not is_ours(formula.file):
            check_example(formula, home_of(formula, homes))


def _depth(library: Library, formula: Formula) -> int:
    return len(reached(library, [Call(name=formula.name, use=formula.name)], EMPTY))


def readable(models: Iterable[Path]) -> Iterator[Definition]:
    """Yield the models of files that can be read; what is wrong with the others is said where they are asked for."""
    for path in models:
        try:
            yield load_definition(path)
        except UserError:
            continue


def home_of(formula: Formula, models: Iterable[Definition]) -> Definition:
    """Return the network that an example is at home in: a user's that calls the formula, ours, the plainest shipped."""
    library, ours = load_library(), default_definition(None)
    own = (model for model in models if not is_ours(model.file))
    shipped = (load_definition(path) for path in data_files("formulas/models").values() if is_ours(path))
    known = chain(own, [ours], sorted(shipped, key=lambda model: len(called_by_own_code(library, model))))
    return next((model for model in known if formula.name in called(library, model)), ours)


def counted_twice(definition: Definition) -> list[str]:
    """Say which weights of a network count twice under its default choices; without braces, which a rule would read."""
    try:
        stages = model_tree(definition, chosen_slots(definition, choose(definition, {})), training=False)
    except UserError:
        return []
    return [line.replace("{", "").replace("}", "") for line in apart(stages)]


def is_told(formula: Formula) -> bool:
    """Say whether the example of a file is about a formula, and gives something; a family's is about one member."""
    member = formula.example.member or (formula.family if isinstance(formula, Operator) else formula.name)
    return bool(formula.example.gives) and member == formula.name


def check_example(formula: Formula, home: Definition) -> Mapping[str, Any]:
    """Return what an example gives; a wrong one is a UserError.

    Symbols that it leaves out, and slots, have the values of a network, its ``home``.
    """
    place = f"{formula.file}: example"
    if isinstance(formula, Operator) and not formula.example.member:
        named = load_library().formulas.get(formula.family)
        if named is None or named.file != formula.file:
            raise UserError(f"{place}: the file holds several operators; name one under 'member'")
    if not is_told(formula):
        return EMPTY
    left_out = [name for name in formula.symbols if name not in formula.example.given]
    follow = {name for name, value in formula.alone.items() if names(value) <= formula.symbols.keys()}
    for name in left_out:
        if name not in home.quantities and name not in follow:
            raise UserError(f"{place}: with: '{name}' has no value ({formula.symbols[name].meaning}); give it one")
    try:
        given = evaluated(formula, home)
    except UserError as error:
        raise UserError(f"{place}: {str(error).removeprefix(f'{formula.file}: ')}") from error
    for metric, said in formula.example.gives.items():
        if not _is_same(said, given[metric]):
            others = f"; {', '.join(left_out)}: as in {home.name}" if left_out else ""
            unit = load_metrics()[metric].unit
            raise UserError(
                f"{place}: gives: {metric}: the example says {said}, the formula gives "
                f"{_number(given[metric])} {unit}{others}; correct one of them"
            )
    return given


def evaluated(formula: Formula, home: Definition) -> dict[str, Any]:
    """Return the metrics that an example names, as the formula gives them."""
    definition, options = definition_of(home, formula), choose(home, {})
    settings = {name: evaluate(value, EMPTY, arithmetic) for name, value in formula.example.given.items()}
    gpu = load_gpu(default_definition(None).default_gpu)
    values = resolve(definition, options=options, settings=settings, gpu=gpu)
    metrics, slots = [*formula.example.gives], chosen_slots(home, options)
    given = _plainly(definition, slots, values, metrics)
    if given is None:
        details = any(is_detail(load_metrics()[metric]) for metric in metrics)
        total = estimate(
            load_program(definition, slots), values, load_program(definition, slots, details=True) if details else None
        ).total
        given = {metric: total[metric] for metric in metrics}
    return given


def _plainly(
    definition: Definition, slots: Mapping[str, str], values: Values, metrics: Sequence[str]
) -> dict[str, Any] | None:
    """Evaluate metrics in plain numbers, a hundred times as fast as a program is built; None where one needs that."""
    known = [load_metrics()[metric] for metric in metrics]
    if any(metric.kind not in _PLAIN or metric.step or is_time(metric.name) for metric in known):
        return None
    tree = build_tree(load_library(), definition.stages, values.numbers, slots, arithmetic, sizes=definition.sizes)
    if any(node.steps is not None for node in walk(tree)):
        return None
    fold = Fold(leaves_of(tree, algebra=arithmetic))
    check_counts(fold)
    return {metric: arithmetic.whole(fold.column(metric)[0]) for metric in metrics}


def _is_same(said: float, given: Any) -> bool:
    if given is None:
        return False
    return bool(float(said) == given if isinstance(given, float) else Fraction(str(said)) == given)


def _number(value: Any) -> str:
    return "null" if value is None else str(value)
