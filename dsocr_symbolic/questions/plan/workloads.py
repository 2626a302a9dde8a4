"""Pages that a server reads, as workloads of the network: whole ones, chunks of their prompts, and the average one."""

from collections.abc import Mapping, Sequence

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import ZERO, evaluate, names
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values, with_user

# What a server caches of a prompt before a chunk, where the network has a symbol for it.
_CACHED = "cached_tokens"


@frozen(kw_only=True, eq=False)
class AskedPages:
    """Pages that a server reads, as workloads of the network.

    Attributes
    ----------
    kinds, shares : tuple of Scenario, tuple of float
        One page of each kind, and how many of all are so.
    average : Scenario
        A page with the prompt of the average one, the most vision, and the average answer, which decode is of.
    chunk : int
        Tokens of a prompt in one forward.
    longest_prompt : int
    """

    kinds: tuple[Scenario, ...]
    shares: tuple[float, ...]
    average: Scenario
    chunk: int
    longest_prompt: int


def asked_of(kinds: Sequence[Scenario], shares: Sequence[float], new_tokens: float) -> AskedPages:
    """Put the workloads of a server together, given the share of each kind of page and the mean of the decode steps."""
    definition = kinds[0].definition
    roles = definition.roles
    numbers = [scenario_values(kind).numbers for kind in kinds]
    prompts = [int(each[roles.prompt_tokens]) for each in numbers]
    longest = max(prompts)
    mean = sum(share * prompt for share, prompt in zip(shares, prompts, strict=True))
    chunks = [int(each[name]) for each in numbers for name in chunk_symbols(definition)]
    chunk = min(max(chunks, default=longest), longest)
    if chunk < 1:
        raise UserError(f"{', '.join(sorted(chunk_symbols(definition)))}: a chunk holds at least one token")
    own = {roles.prompt_tokens: round(mean), roles.new_tokens: max(1, round(new_tokens))}
    average = with_user(kinds[prompts.index(longest)], own | dict.fromkeys(chunk_symbols(definition), chunk))
    return AskedPages(kinds=tuple(kinds), shares=tuple(shares), average=average, chunk=chunk, longest_prompt=longest)


def chunk_symbols(definition: Definition) -> frozenset[str]:
    """Return the symbols that say how many tokens of a prompt a server takes at once."""
    server = definition.server
    return names(server.forward.get(definition.roles.prompt_tokens, ZERO)) if server else frozenset()


def chunked(tokens: int, chunk: int) -> list[tuple[int, int]]:
    """Return what is cached before each chunk of a prompt, and the tokens of the chunk."""
    return [(start, min(chunk, tokens - start)) for start in range(0, tokens, chunk)] or [(0, 0)]


def chunk_settings(scenario: Scenario, numbers: Mapping[str, Exact], start: int, tokens: int) -> dict[str, Exact]:
    """Return the symbols of a server's forward of one chunk: a prompt up to its end, of which a part is cached."""
    definition = scenario.definition
    server = definition.server.forward if definition.server else {}
    own = {name: evaluate(formula, numbers, arithmetic) for name, formula in server.items()}
    own |= {definition.roles.batch: 1, definition.roles.prompt_tokens: start + tokens}
    return own | ({_CACHED: start} if _CACHED in definition.quantities and start else {})
