"""Check a user's files: load them, hold them against one another, evaluate their examples."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer, scenario_program
from dsocr_symbolic.evaluation.examples import check_example, counted_twice, home_of, readable
from dsocr_symbolic.evaluation.networks import own_models
from dsocr_symbolic.language.definition import Definition, load_definition
from dsocr_symbolic.language.files.bounds_file import load_bounds
from dsocr_symbolic.language.files.budget_file import read_budget
from dsocr_symbolic.language.formula import Formula, Library, read_layer, read_operators
from dsocr_symbolic.language.formula_checks import check_formula
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.paths import besides, data_files, data_folders, find_file
from dsocr_symbolic.questions.capacity import fit
from dsocr_symbolic.questions.check.found import PLACES, FoundFile, files_to_check
from dsocr_symbolic.scenario.configs import find_network
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, read_scenario, scenario_values
from dsocr_symbolic.scenario.values import choose, chosen_slots


@frozen(kw_only=True)
class Checked:
    """What was found of one file.

    Attributes
    ----------
    file, kind : str
        The file, and ``operator``, ``layer``, ``model``, ``bounds``, ``budget``, ``gpu``, ``workload``, ``scenario``
        or ``config``.
    says : str
        What was checked, in words; of a wrong one empty.
    wrong : str
        The first thing that is wrong, in one line; empty if nothing is.
    evaluated : bool
        False where a wrong file stands in the way.
    warnings : tuple of str
        What is doubtful.
    """

    file: str
    kind: str
    says: str
    wrong: str = ""
    evaluated: bool = True
    warnings: tuple[str, ...] = ()


@frozen(kw_only=True)
class _Around:
    """What files are checked with.

    Attributes
    ----------
    definition, models : Definition, tuple of Definition
        The network of workloads and scenarios, and a user's networks.
    broken, named : mapping of str to str, bool
        What is wrong with operators and layers already, by file; whether one of these is to be checked itself.
    """

    definition: Definition
    models: tuple[Definition, ...]
    broken: Mapping[str, str]
    named: bool


def check_files(named: Iterable[Path], definition: Definition) -> list[Checked]:
    """Check files, folders, or all of DSOCR_PATH; workloads and scenarios are those of a network."""
    found = files_to_check(named)
    roots = dict.fromkeys(file.root for file in found if file.root is not None)
    known = {folder.resolve() for kind in PLACES.values() for folder in data_folders(kind)}
    folders = [root for root in roots if not {(root / place).resolve() for place in PLACES.values()} & known]
    loose: dict[str, list[Path]] = {}
    for file in found:
        if file.kind in ("operator", "layer", "model") and file.root is None:
            loose.setdefault(PLACES[file.kind], []).append(file.path)
    load_library.cache_clear()
    try:
        with besides(folders, loose):
            models = [*own_models(), *(file.path for file in found if file.kind == "model")]
            broken = _broken(definition)
            around = _Around(
                definition=definition,
                models=tuple(readable(dict.fromkeys(models))),
                broken=broken,
                named=bool({Path(path).resolve() for path in broken} & {file.path.resolve() for file in found}),
            )
            return [_checked(file, around) for file in found]
    finally:
        load_library.cache_clear()


def _broken(definition: Definition) -> dict[str, str]:
    """Return what is wrong with operators and layers before any of them is evaluated, by file."""
    try:
        len(load_library().formulas)
    except UserError as first:
        broken = _file_by_file()
        return broken or {str(first).partition(":")[0] or definition.file: str(first)}
    return {}


def _file_by_file() -> dict[str, str]:
    broken: dict[str, str] = {}
    formulas: dict[str, Formula] = {}
    readers: tuple[tuple[str, Callable[[Path], list[Formula]]], ...] = (
        ("formulas/operators", lambda path: [*read_operators(path)]),
        ("formulas/layers", lambda path: [read_layer(path)]),
    )
    try:
        paths = [(path, read) for kind, read in readers for path in data_files(kind).values()]
    except UserError:
        return {}
    for path, read in paths:
        try:
            formulas |= {formula.name: formula for formula in read(path)}
        except UserError as error:
            broken[str(path)] = str(error)
    # What calls a file that cannot be read is not wrong for that.
    for formula in () if broken else formulas.values():
        try:
            check_formula(Library(formulas=formulas), formula)
        except UserError as error:
            broken.setdefault(formula.file, str(error))
    return broken


def _checked(file: FoundFile, around: _Around) -> Checked:
    """Check one file; what is wrong with it is a line."""
    blank = Checked(file=str(file.path), kind=file.kind, says="")
    if file.wrong:
        return evolve(blank, wrong=file.wrong)
    own = next((said for broken, said in around.broken.items() if Path(broken).resolve() == file.path.resolve()), "")
    if own:
        return evolve(blank, wrong=own)
    if around.broken and file.kind in ("operator", "layer", "model", "bounds"):
        said = f"not evaluated, for others are wrong: {', '.join(around.broken)}; correct them first"
        if around.named:
            return evolve(blank, says=said, evaluated=False)
        return evolve(blank, wrong=f"{file.path}: {said}", evaluated=False)
    try:
        says, warnings = _BY_KIND[file.kind](file, around)
    except UserError as error:
        said = str(error)
        named = said.startswith((str(file.path), str(file.path.resolve())))
        return evolve(blank, wrong=said if named else f"{file.path}: {said}")
    return evolve(blank, says=says, warnings=tuple(warnings))


Found = tuple[str, Sequence[str]]


def _formulas(file: FoundFile, around: _Around) -> Found:
    formulas = [
        formula for formula in load_library().formulas.values() if Path(formula.file).resolve() == file.path.resolve()
    ]
    given = [check_example(formula, home_of(formula, around.models)) for formula in formulas]
    numbers = [f"{metric} {arithmetic.whole(value)}" for metrics in given for metric, value in metrics.items()]
    several = f", {len(formulas)} operators" if len(formulas) > 1 else ""
    if numbers:
        return f"its example holds: {', '.join(numbers)}{several}", ()
    return f"loads{several}", (f"{file.path}: has no example that gives a number: nothing holds its formulas",)


def _model(file: FoundFile, _: _Around) -> Found:
    definition = load_definition(file.path)
    programs = {}
    options: list[dict[str, str]] = [
        {},
        *({name: option} for name, choice in definition.choices.items() for option in choice.options),
    ]
    for workload in definition.workloads or [""]:
        for chosen in options if workload in (definition.default_workload, "") else [{}]:
            scenario = make_scenario(definition=definition, workload=workload, choices=chosen)
            slots = tuple(sorted(chosen_slots(definition, scenario.options).items()))
            if slots not in programs:
                programs[slots] = scenario_program(scenario)
            total = answer(scenario, details=False, program=programs[slots]).total
            fit(scenario, programs[slots])
            if not chosen and workload == (definition.default_workload or ""):
                parameters = total["parameters"]
    what = f"{_number(len(definition.workloads), 'workload')} and {_number(len(options) - 1, 'option')}"
    return f"{what} evaluated; {parameters} parameters", [f"{file.path}: {line}" for line in counted_twice(definition)]


def _bounds(file: FoundFile, _: _Around) -> Found:
    model = load_definition(find_file("formulas/models", file.path.stem, "model"))
    bounds = load_bounds(model)
    return f"{_number(len(bounds.conditions), 'bound')} of {model.name}", ()


def _gpu(file: FoundFile, _: _Around) -> Found:
    gpu = load_gpu(str(file.path))
    doubtful = sum(1 for number in gpu.numbers.values() if number.unverified)
    return f"{gpu.title}, {len(gpu.numbers)} numbers{f', {doubtful} unverified' if doubtful else ''}", ()


def _workload(file: FoundFile, around: _Around) -> Found:
    return _of_network(make_scenario(definition=around.definition, workload=str(file.path)))


def _scenario(file: FoundFile, around: _Around) -> Found:
    _, scenario = read_scenario(str(file.path), make_scenario(definition=around.definition))
    return _of_network(scenario)


def _budget(file: FoundFile, _: _Around) -> Found:
    return f"loads; dsocr budget holds its {_number(len(read_budget(file.path).assertions), 'assertion')}", ()


def _config(file: FoundFile, _: _Around) -> Found:
    """Say whose network a config.json is of, what was read of it, and what is not counted of that network."""
    definition = find_network(file.path)
    scenario = make_scenario(definition=definition, config=file.path)
    total = answer(scenario, details=False).total
    read = [f"{name} {value}" for name, value in scenario.config.items()]
    plain = choose(definition, {})
    read += [f"{name} {option}" for name, option in scenario.options.items() if option != plain[name]]
    lacking = "; ".join(f"{', '.join(part.metrics)}: {part.because}" for part in definition.claims_no)
    left_out = f"not counted: {lacking}" if lacking else "all metrics are counted"
    says = f"of {definition.name}: {', '.join(read)}; {total['parameters']} parameters; {left_out}"
    return says, scenario_values(scenario).warnings


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _of_network(scenario: Scenario) -> Found:
    return f"fits {scenario.definition.name}", scenario_values(scenario).warnings


_BY_KIND: Mapping[str, Callable[[FoundFile, _Around], Found]] = {
    "operator": _formulas,
    "layer": _formulas,
    "model": _model,
    "bounds": _bounds,
    "budget": _budget,
    "gpu": _gpu,
    "workload": _workload,
    "scenario": _scenario,
    "config": _config,
}
