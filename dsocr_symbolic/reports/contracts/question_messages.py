"""What a client sends when it asks a question of the command line over HTTP; the answer is the command's own JSON."""

from typing import Literal

from attrs import field, frozen

from dsocr_symbolic.reports.contracts import constraints as must
from dsocr_symbolic.reports.contracts.constraints import Number

Time = Literal["roofline", "lower_bound"]


@frozen(kw_only=True)
class NetworkQuestion:
    """A network, its choices, a workload, a machine, and what is set; what is left out is the network's default.

    Attributes
    ----------
    model : str or None
        A known network, see ``dsocr models``.
    workload : str or None
        One of its named workloads, see ``dsocr workloads``.
    gpu : str or None
        A known machine, see ``dsocr gpus``.
    settings : dict of str to number
        Values of symbols, see ``dsocr symbols`` [each symbol's own unit].
    choices : dict of str to str
        Options that differ from the defaults, see ``dsocr totals --help``.
    allow_any_grid : bool
        Whether crop grids may be what the network never cuts.
    """

    model: str | None = field(default=None, **must.nullable(must.NAME))
    workload: str | None = field(default=None, **must.nullable(must.NAME))
    gpu: str | None = field(default=None, **must.nullable(must.NAME))
    settings: dict[str, Number] = field(factory=dict, **must.table(must.ANY_NUMBER))
    choices: dict[str, str] = field(factory=dict, **must.table(must.NAME))
    allow_any_grid: bool = field(default=False, **must.FLAG)


@frozen(kw_only=True)
class TotalsQuestion(NetworkQuestion):
    """What a workload costs, as ``dsocr totals`` says it.

    Attributes
    ----------
    operators : bool
        Whether the answer lists every operator.
    """

    operators: bool = field(default=False, **must.FLAG)


@frozen(kw_only=True)
class SweepQuestion(NetworkQuestion):
    """Metrics at every combination of values, as ``dsocr sweep`` says them.

    Attributes
    ----------
    vary : dict of str to str
        Values of a symbol, choice, gpu, workload or crop_grid as ``--vary`` takes them: ``1,2,4`` or ``1:128:8``.
    metrics : list of str
        Names of the registry, see ``dsocr symbols --metrics``.
    by : str
        ``total``, ``stage`` or the path of a part.
    """

    vary: dict[str, str] = field(**must.table(must.TEXT))
    metrics: tuple[str, ...] = field(**must.many(must.TEXT))
    by: str = field(default="total", **must.TEXT)


@frozen(kw_only=True)
class SolveQuestion(NetworkQuestion):
    """The largest or smallest value of a symbol that meets a constraint, as ``dsocr solve`` says it.

    Attributes
    ----------
    symbol : str
        The symbol that is left free.
    constraint : str
        What is to hold, such as ``peak_memory_bytes <= capacity``.
    time : str
        What time metrics stand for.
    """

    symbol: str = field(**must.TEXT)
    constraint: str = field(**must.TEXT)
    time: Time = field(default="roofline", **must.one_of(Time))


@frozen(kw_only=True)
class PlanQuestion(NetworkQuestion):
    """How many GPUs a number of pages takes and what they cost, as ``dsocr plan`` says it.

    Attributes
    ----------
    pages_per_day : int or float or None
        Pages to read in a day; None for what one machine ends.
    mix : dict of str to number
        Workloads and their shares, which add up to 1, in place of one workload.
    output_tokens, output_spread : int or float or None
        Tokens of an answer on average, and their standard deviation over that mean.
    ttft, tpot : int or float or None
        Most seconds to the first token and per further token, on average [s].
    concurrency : int or None
        Requests at once; None for the best.
    utilisation : int or float or None
        Share of the most that is planned with, above 0.
    gpus : list of str
        Machines to choose from; all with a forecast where neither these nor ``gpu`` are named.
    prices : dict of str to number
        Of machines in an hour, in any currency.
    host_s, cores : int or float or None, int or None
        Seconds of one core that a page takes before the engine [s], and cores that prepare pages for one GPU.
    merge_chunks : bool
        Whether a chunk of a prompt and a decode step are one forward.
    simulate : bool
        Whether the best one is simulated, too.
    """

    pages_per_day: Number | None = field(default=None, **must.nullable(must.POSITIVE))
    mix: dict[str, Number] = field(factory=dict, **must.table(must.POSITIVE))
    output_tokens: Number | None = field(default=None, **must.nullable(must.POSITIVE))
    output_spread: Number | None = field(default=None, **must.nullable(must.COUNT))
    ttft: Number | None = field(default=None, **must.nullable(must.POSITIVE))
    tpot: Number | None = field(default=None, **must.nullable(must.POSITIVE))
    concurrency: int | None = field(default=None, **must.nullable(must.SIZE))
    utilisation: Number | None = field(default=None, **must.nullable(must.POSITIVE))
    gpus: tuple[str, ...] = field(default=(), **must.many(must.NAME))
    prices: dict[str, Number] = field(factory=dict, **must.table(must.POSITIVE))
    host_s: Number | None = field(default=None, **must.nullable(must.POSITIVE))
    cores: int | None = field(default=None, **must.nullable(must.SIZE))
    merge_chunks: bool = field(default=False, **must.FLAG)
    simulate: bool = field(default=False, **must.FLAG)
