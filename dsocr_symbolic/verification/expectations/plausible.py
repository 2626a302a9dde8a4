"""What no number of conventions and machine can be, and what is doubtful of one: asked at both sides of every edge."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.scenario.checks import check_rules, warnings_of
from dsocr_symbolic.verification.expectations.machine import Fact, network, values

Numbers = Mapping[str, Any]
_BYTES = ("activation", "weight", "encoder_weight", "norm_weight", "router_weight", "kv")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _outside(name: str, least: int, most: int, *unknown: int) -> tuple[Callable[[Numbers], bool], tuple[str, ...]]:
    return lambda v: not least <= v[name] <= most and v[name] not in unknown, (name,)


_Doubt = tuple[Callable[[Numbers], bool], tuple[str, ...]]
_REFUSED: tuple[Callable[[Numbers], bool], ...] = (
    lambda v: v["autocast"] not in (0, 1),
    lambda v: any(v[name] <= 0 for name in _BYTES),
    lambda v: v["compute_efficiency"] > 2,  # noqa: PLR2004
    lambda v: v["bandwidth_efficiency"] > 2,  # noqa: PLR2004
    lambda v: v["highest_clock"] < v["rated_clock"] and v["highest_clock"] != 1,
    lambda v: v["reserve"] > v["usable_memory"] and v["usable_memory"] != 1,
)
# When something is doubtful, and the symbols whose numbers are said, in the order in which they are.
_DOUBTFUL: tuple[_Doubt, ...] = (
    (lambda v: max(v[name] for name in _BYTES) > 8, _BYTES),  # noqa: PLR2004
    (lambda v: v["compute_efficiency"] > 1, ("compute_efficiency",)),
    (lambda v: v["bandwidth_efficiency"] > 1, ("bandwidth_efficiency",)),
    (lambda v: v["usable_memory"] > v["installed_memory"], ("usable_memory", "installed_memory")),
    (lambda v: v["process_memory"] > v["usable_memory"], ("process_memory", "usable_memory")),
    _outside("memory_bandwidth", 10**8, 10**15),
    _outside("tensor_core_peak", 10**8, 10**18),
    _outside("cuda_core_peak", 10**8, 10**18),
    _outside("rated_clock", 10**7, 10**11, 1),
    _outside("highest_clock", 10**7, 10**11, 1),
    _outside("usable_memory", 10**8, 10**18, 1),
)
_OF_CONVENTIONS: tuple[Numbers, ...] = (
    *({"autocast": flag} for flag in (0, 0.5, 1, 1.5, 2)),
    *({name: size} for name in _BYTES for size in (0, 0.25, 0.5, 7.5, 8, 8.5, 9, 16)),
    # What follows the weights' bytes must not speak for them.
    *({**dict.fromkeys(_BYTES, 2), "weight": size} for size in (0, 0.5, 8, 8.5)),
)
_OF_MACHINE: tuple[Numbers, ...] = (
    {},
    *({name: share} for name in ("compute_efficiency", "bandwidth_efficiency") for share in (0.5, 1, 1.25, 2, 2.25, 3)),
    *(
        {"highest_clock": highest, "rated_clock": rated}
        for highest, rated in ((5, 5), (5, 6), (6, 5), (1, 5), (2, 5), (0.5, 5), (0, 5), (1, 1), (2, 1), (5, 4))
    ),
    *(
        {"reserve": kept, "usable_memory": usable}
        for kept, usable in ((7, 7), (8, 7), (6, 7), (5, 1), (5, 2), (5, 0.5), (5, 0), (1, 1), (0, 2))
    ),
    *(
        {name: value}
        for name in ("memory_bandwidth", "tensor_core_peak", "cuda_core_peak")
        for most in (10**15, 10**18)
        for value in (10**8 - 1, 10**8, 10**8 + 1, most - 1, most, most + 1)
    ),
    *(
        {name: value}
        for name in ("rated_clock", "highest_clock")
        for value in (0, 1, 2, 10**7 - 1, 10**7, 10**7 + 1, 10**11 - 1, 10**11, 10**11 + 1)
    ),
    *({"usable_memory": value, "reserve": 0} for value in (0, 1, 2, 10**8 - 1, 10**8, 10**8 + 1)),
    *({"usable_memory": 34359738368 + more} for more in (-1, 0, 1)),
    *({"usable_memory": 7 * 10**9, "process_memory": 7 * 10**9 + more} for more in (-1, 0, 1)),
)


def conventions() -> Iterator[Fact]:
    """State what an element's bytes and autocast can be, and what is doubtful of them."""
    yield from _at(_OF_CONVENTIONS)


def machines() -> Iterator[Fact]:
    """State what the machine's numbers can be, what is doubtful of them, and that a process gets what a user sets."""
    for settings, gets in (
        ({"usable_memory": 123}, 123),
        ({"usable_memory": 123, "process_memory": 45}, 45),
        ({"reserve": 123}, values({}).value("process_memory")),
    ):
        yield f"what a process gets at {settings}", values(settings).value("process_memory"), gets
    yield from _at(_OF_MACHINE)


def _at(edges: tuple[Numbers, ...]) -> Iterator[Fact]:
    definition = network()
    for settings in edges:
        resolver = values(settings)
        v = {name: resolver.value(name) for name in definition.quantities}
        refused = any(breaks(v) for breaks in _REFUSED)
        yield f"refusal of {settings}", _refused(v), refused
        said = [_NUMBER.findall(text) for text in warnings_of(definition, v)]
        stated = [
            [_shown(max(v[name] for name in told))] if told is _BYTES else [_shown(v[name]) for name in told]
            for doubtful, told in _DOUBTFUL
            if doubtful(v)
        ]
        yield f"doubts about {settings}", said, stated


def _shown(value: Any) -> str:
    return str(arithmetic.whole(value))


def _refused(numbers: Numbers) -> bool:
    try:
        check_rules(network().rules, numbers, frozenset())
    except UserError:
        return True
    return False
