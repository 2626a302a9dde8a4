"""Try mutants: one that agrees with all that is known of its file is equivalent, and shown to be so, or survives."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.formula import Library, read_layer, read_operators
from dsocr_symbolic.language.formula_checks import check_formula
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.strict_yaml import standing_in
from dsocr_symbolic.verification.expectations import flows
from dsocr_symbolic.verification.expectations.trial import (
    FLOWS,
    FORMULAS,
    contradiction,
    contradicts,
    differing,
    forget,
    kind_of,
)
from dsocr_symbolic.verification.mutants.counting import Held, around, counts_of
from dsocr_symbolic.verification.mutants.equivalence import DRAWS, NEAREST, equivalent
from dsocr_symbolic.verification.mutants.following import Followed, flows_of
from dsocr_symbolic.verification.mutants.mutants import Mutant, mutants_of, patterns
from dsocr_symbolic.verification.mutants.sameness import says_the_same

_LONG = ("deepseek_v2_model", "deepseek_ocr_model", "language_model", "image_encoder_vit", "vision_towers")
Told = Held | Followed
KILLED, EQUIVALENT, SURVIVES = "killed", "equivalent", "survives"


@frozen(kw_only=True)
class Fate:
    """What became of a mutant.

    Attributes
    ----------
    key, name : str
        Class and key, and the mutant in words.
    fate : str
        ``killed``, ``equivalent`` or ``survives``.
    by : str
        What killed it, or why it is equivalent.
    """

    key: str
    name: str
    fate: str
    by: str


# What mutants that are equal on all draws have in common: pattern of the mutant's name -> why.
REASONS: Mapping[str, str] = {
    r".*: repeat: copies: .*": "copies count what a module owns",
    r"integer_.*|.*: cuda_core_flops: elements\*flops -> .*": "integer work costs 0 for any number of elements",
    r"block: children: (un)?partition: when: .*": "windows are a square",
    r"decoder_inputs: children: scatter: when: .*": "the smallest image takes 73 tokens",
    r".*: with: narrow: .*": "a flag: whatever is greater than 0 says the same",
}


# Keys of operators and layers that counts of calls cannot tell, and what is stated of them: what bounds leave out, how
# layers are numbered, and a cache in a number format that the reference does not run in.
STATED: Mapping[str, str] = {
    **dict.fromkeys(("Call.needed", "Tensor.least", "Layer.fewest", "Call.numbers"), FORMULAS),
    **dict.fromkeys(("Tensor.dtype", "Call.with", "Filling.with"), FLOWS),
}


def try_file(kind: str, file: Path, mutants: Iterable[Mutant] | None = None, draws: int = DRAWS) -> list[Fate]:
    """Try the mutants of a file, or some of them."""
    chosen = mutants_of(kind, file) if mutants is None else mutants
    if kind in ("operator", "layer"):
        counts: list[Told] = []
        return [_try_formula(mutant, counts, draws) for mutant in chosen]
    if wrong := as_it_is(kind_of(file)):
        raise ValueError(f"{file}: as it is, it contradicts {wrong}")
    fates, killer = [], ""
    for mutant in chosen:
        # Mutants that stand beside one another contradict the same.
        found = contradicts(mutant.file, mutant.content, killer.partition(":")[0])
        killer = found or killer
        fates.append(
            _fate(
                mutant,
                found,
                ""
                if found or not says_the_same(mutant, draws)
                else f"equal, formulas on {draws} draws of their symbols",
            )
        )
    return fates


@cache
def as_it_is(kind: str) -> str:
    """Say what files of a kind contradict as they are: they must not."""
    forget("models")
    return contradiction(kind)


def _fate(mutant: Mutant, killer: str, equal: str) -> Fate:
    fate = KILLED if killer else EQUIVALENT if equal else SURVIVES
    said = patterns(REASONS, mutant.name) if equal else None
    return Fate(key=mutant.key, name=mutant.name, fate=fate, by=f"{said}; {equal}" if said else killer or equal)


def _try_formula(mutant: Mutant, ready: list[Told], draws: int) -> Fate:
    """Try a mutant of an operator or layer on counts; those that killed before go first."""
    try:
        changed = changed_library(mutant)
    except (UserError, KeyError) as error:
        return _fate(mutant, f"refused: {error}", "")
    formulas = load_library().formulas.values()
    own = [formula.name for formula in formulas if formula.file == str(mutant.file)]
    if killer := _killer(ready, _in_turn(ready, own), changed):
        return _fate(mutant, killer, "")
    if found := differing(lambda: flows.sizes(changed), "sizes"):
        return _fate(mutant, found, "")
    if mutant.key in STATED and (found := contradicts(mutant.file, mutant.content, kind=STATED[mutant.key])):
        return _fate(mutant, found, "")
    # Whole models take long to count, and their parts tell nearly as much: they come last.
    callers = [layer_of(name) for name in _callers(own)]
    # A layer's tensors go on in those that call it.
    around_it = (flow for layer in callers[:NEAREST] for flow in flows_of(layer))
    whole = (held for name in _callers(own) if name in _LONG for held in counts_of(layer_of(name)))
    if killer := _killer(ready, chain(around_it, whole), changed):
        return _fate(mutant, killer, "")
    places = {equivalent(changed, around(name), draws) for name in own}
    equal = "" if "" in places else "its symbols" if places == {"alone"} else "the network's symbols"
    return _fate(mutant, "", equal and f"equal on {draws} draws of {equal}")


def _killer(ready: list[Told], counts: Iterable[Told], changed: Library) -> str:
    """Say which count the changed formulas miss, and let it go first from now on; empty if none."""
    tried: set[int] = set()
    for held in counts:
        if id(held) not in tried and held.tells(changed):
            if held in ready:
                ready.remove(held)
            ready.insert(0, held)
            return f"{held.counted.source}: {held.counted.layer}"
        tried.add(id(held))
    return ""


def _in_turn(ready: list[Told], own: list[str]) -> Iterable[Told]:
    """Yield what killed before, then the counts of a file's formulas and of the nearest of their callers."""
    yield from list(ready)
    for name in own:
        yield from counts_of(layer_of(name))
        yield from flows_of(layer_of(name))
    yield from _of_nearest([name for name in _callers(own) if name not in _LONG])


def _callers(own: list[str]) -> list[str]:
    return list(dict.fromkeys(caller for formula in own for caller in around(formula) if caller not in own))


def _of_nearest(names: Iterable[str]) -> Iterable[Told]:
    """Return the counts of the first formula that has any."""
    return next((counts for name in names if (counts := counts_of(layer_of(name)))), ())


def layer_of(name: str) -> str:
    """Return the name of a formula with its folder, as counts have it."""
    return f"{Path(load_library()[name].file).parent.name}/{name}"


def changed_library(mutant: Mutant) -> Library:
    """Read a changed file; what the loader refuses raises as it does for a user."""
    library = load_library()
    with standing_in(mutant.file, mutant.content):
        read = read_operators(mutant.file) if mutant.kind == "operator" else [read_layer(mutant.file)]
    kept = {name: formula for name, formula in library.formulas.items() if formula.file != str(mutant.file)}
    changed = Library(formulas={**kept, **{formula.name: formula for formula in read}})
    for formula in read:
        check_formula(changed, formula)
    return changed


def by_key(fates: Iterable[Fate]) -> dict[str, Counter[str]]:
    """Count fates by key."""
    table: dict[str, Counter[str]] = {}
    for fate in fates:
        table.setdefault(fate.key, Counter())[fate.fate] += 1
    return dict(sorted(table.items()))
