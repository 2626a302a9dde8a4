"""Which programs a page holds: ways to fill the slots of a network's choices."""

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.scenario.values import choose, chosen_slots

# So many ways are every way to combine the first choices; of the others each option stands alone beside what follows.
_MOST_COMBINED = 4
# Each program takes a second or two to write down.
_MOST = 24


def filling_choices(definition: Definition) -> list[str]:
    """Return the choices whose options fill slots."""
    return [
        name for name, choice in definition.choices.items() if any(option.slots for option in choice.options.values())
    ]


def key_of(definition: Definition, options: Mapping[str, str]) -> str:
    """Return the name of a variant: the options of all choices that fill slots, joined."""
    return " ".join(options[name] for name in filling_choices(definition))


def variants(definition: Definition) -> dict[str, dict[str, str]]:
    """Return the variants that a page holds by name, and what stands in each slot of them."""
    found: dict[str, dict[str, str]] = {}
    for said in _asked(definition):
        options = choose(definition, said)
        found.setdefault(key_of(definition, options), chosen_slots(definition, options))
        if len(found) == _MOST:
            break
    return found


def _asked(definition: Definition) -> Iterator[dict[str, str]]:
    """Yield the choices made: none, each option that sets others, the first choices combined, and single changes."""
    bundles = [
        {name: label}
        for name, choice in definition.choices.items()
        for label in choice.options
        if any(option.choices for option in choice.options.values())
    ]
    bases = [{}, *bundles]
    yield from bases
    yield from _combined(definition)
    for base in bases:
        for name in filling_choices(definition):
            yield from ({**base, name: label} for label in definition.choices[name].options if name not in base)


def _combined(definition: Definition) -> Iterator[dict[str, str]]:
    """Yield the ways to combine a few choices, those that no config.json decides first."""
    by_config = {name for by_value in definition.choose.values() for chosen in by_value.values() for name in chosen}
    kept: dict[str, list[str]] = {}
    for name in sorted(filling_choices(definition), key=lambda name: name in by_config):
        options = list(definition.choices[name].options)
        if prod([len(options), *map(len, kept.values())]) <= _MOST_COMBINED:
            kept[name] = options
    for labels in product(*kept.values()):
        yield dict(zip(kept, labels, strict=True))
