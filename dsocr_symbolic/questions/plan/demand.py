"""What a plan is for: kinds of pages with their shares, how long answers are, how many pages in a second."""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev

from attrs import evolve, fields, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.pairs import read_pairs
from dsocr_symbolic.language.roles import Roles, played
from dsocr_symbolic.questions.plan.hosting import HostWork
from dsocr_symbolic.scenario.checks import parse_number
from dsocr_symbolic.scenario.crop_grids import crop_grid
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values, with_user
from dsocr_symbolic.scenario.values import load_workload

DAY = 86400
# Shares of a mix are as exact as people write them.
_WHOLE = 1e-6
# Of lengths of which only a mean is known: their standard deviation over it; how many of these the longest is above.
SPREAD = 0.5
_ABOVE = 3


@frozen(kw_only=True)
class Kind:
    """Pages that are alike.

    Attributes
    ----------
    name, share : str, float
        What they are called, and their share of all pages.
    scenario : Scenario
        One of them.
    """

    name: str
    share: float
    scenario: Scenario


@frozen(kw_only=True)
class Answers:
    """How long the answers are, in decode steps: output tokens but the first one.

    Attributes
    ----------
    mean, spread, longest : float, float, int
        The mean, the standard deviation over it, the longest one.
    steps : tuple of int
        The lengths themselves, where they are known.
    """

    mean: float
    spread: float
    longest: int
    steps: tuple[int, ...] = ()


@frozen(kw_only=True)
class Demand:
    """What is asked of a server.

    Attributes
    ----------
    kinds : tuple of Kind
        Their shares add up to 1.
    answers : Answers
    pages_per_s : float or None
        How many pages in a second; None where nobody says.
    pages : int or None
        How many there are in all; None where nobody says.
    host, unhosted : HostWork or None, str
        What the host does of a page before; why nothing is claimed of that.
    """

    kinds: tuple[Kind, ...]
    answers: Answers
    pages_per_s: float | None = None
    pages: int | None = None
    host: HostWork | None = None
    unhosted: str = ""

    def mean(self, of: Iterable[float]) -> float:
        """Return the mean over pages of a number of each kind."""
        return math.fsum(kind.share * number for kind, number in zip(self.kinds, of, strict=True))


def positive(option: str, value: float | None) -> float | None:
    """Return a number that must be more than 0 and finite."""
    if value is not None and not 0 < value < math.inf:
        raise UserError(f"{option} {value}: expected a finite number above 0")
    return value


def one_kind(scenario: Scenario) -> tuple[Kind, ...]:
    """Return the pages of a workload."""
    name = scenario.workload.name if scenario.workload else ""
    return (Kind(name=name, share=1.0, scenario=scenario),)


def mixed(scenario: Scenario, text: str) -> tuple[Kind, ...]:
    """Read ``gundam=0.6,base=0.4``: workloads and their shares."""
    words = read_pairs(text.split(","), f"--mix {text}", "WORKLOAD=SHARE, several of them with commas")
    shares = {name: float(parse_number(share, f"--mix {name}")) for name, share in words.items()}
    if bad := [name for name, share in shares.items() if not 0 < share < math.inf]:
        raise UserError(f"--mix {text}: the share of {bad[0]} is not above 0; drop it or correct it")
    if abs((whole := math.fsum(shares.values())) - 1) > _WHOLE:
        raise UserError(f"--mix {text}: the shares add up to {whole:g}, not to 1; correct one of them")
    definition = scenario.definition
    return tuple(
        Kind(name=name, share=share, scenario=evolve(scenario, workload=load_workload(definition, name)))
        for name, share in shares.items()
    )


def of_pages(
    scenario: Scenario, pages: Iterable[PageSize], look: Callable[[PageSize, tuple[int, int]], None] | None = None
) -> tuple[tuple[Kind, ...], int, int]:
    """Return the kinds of a document's pages by how they are cut, how many can be read, and how many cannot.

    ``look`` is shown each page that can be read, with its crops side by side and above one another.
    """
    roles = scenario.definition.roles
    (crops,) = played(roles, scenario.definition.name, fields(Roles).crops)
    if scenario.workload is None:
        raise UserError("--layer: a layer alone reads no document; drop it")
    for name in (crops.columns, crops.rows, crops.number):
        if name in scenario.user:
            raise UserError(f"{name}: the pages decide it; drop --set {name} or --document")
    uncut = scenario_values(scenario, {crops.columns: 0, crops.rows: 0}).numbers
    cutting = None if scenario.workload.document == "native" else crops.cutting(uncut)
    counts: Counter[tuple[int, int]] = Counter()
    unread = 0
    for page in pages:
        if page.width is None or page.height is None:
            unread += 1
            continue
        grid = crop_grid(page.width, page.height, **cutting) if cutting else (0, 0)
        counts[grid] += 1
        if look is not None:
            look(page, grid)
    whole = counts.total()
    kinds = (
        Kind(
            name=f"{columns}x{rows}" if columns else "one view",
            share=count / whole,
            scenario=with_user(scenario, {crops.columns: columns, crops.rows: rows}),
        )
        for (columns, rows), count in counts.most_common()
    )
    return tuple(kinds), whole, unread


def answers_of(text: str | None, spread: float | None, default: float) -> Answers:
    """Read how long answers are: a mean in tokens, ``FILE.csv:COLUMN`` with a number of tokens a row, or the default.

    Where only the mean is known, ``spread`` is the standard deviation over it.
    """
    if text is not None and ".csv" in text:
        if spread is not None:
            raise UserError("--output-spread: the column has its own spread; drop it")
        return _answers(_column(text))
    if text is None:
        mean = default
    else:
        tokens = float(parse_number(text, "--output-tokens"))
        mean = tokens - 1
    if not 1 <= mean < math.inf:
        raise UserError(
            f"--output-tokens {text or mean + 1}: expected at least 2 tokens, the first one and a decode step"
        )
    spread = SPREAD if spread is None else spread
    if not 0 <= spread < math.inf:
        raise UserError(f"--output-spread {spread}: expected a finite number from 0 on")
    return Answers(mean=mean, spread=spread, longest=math.ceil(mean * (1 + _ABOVE * spread)))


def _answers(tokens: Sequence[float]) -> Answers:
    steps = tuple(max(1, round(each) - 1) for each in tokens)
    return Answers(mean=fmean(steps), spread=pstdev(steps) / fmean(steps), longest=max(steps), steps=steps)


def _column(text: str) -> list[float]:
    """Read a column of a CSV file."""
    name, _, column = text.rpartition(":")
    if not name.endswith(".csv"):
        raise UserError(f"--output-tokens {text}: expected FILE.csv:COLUMN")
    path = Path(name)
    if not path.is_file():
        raise UserError(f"--output-tokens {text}: no such file")
    with path.open(newline="", encoding="utf-8") as stream:
        rows: list[Mapping[str, str]] = list(csv.DictReader(stream))
    if not rows:
        raise UserError(f"{name}: holds no row")
    if column not in rows[0]:
        raise UserError(f"{name}: has no column '{column}'; it has {', '.join(filter(None, rows[0]))}")
    numbers = [float(parse_number(row[column] or "", f"{name}: {column}")) for row in rows]
    if not all(0 < number < math.inf for number in numbers):
        raise UserError(f"{name}: {column}: holds a number that is not above 0; correct it")
    return numbers
