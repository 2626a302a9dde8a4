"""From records of single operators to their times on a GPU.

A record names a call, describes its tensors with their layout in memory, and says whether the L2 cache is cold.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from attrs import field, frozen
from torch import Tensor

from dsocr_symbolic.errors import UserError, check_known, one_line
from dsocr_symbolic.measurement.kernels import AT_ONCE, Busy, Timed, busy, require_gpu
from dsocr_symbolic.measurement.operators import DTYPES, OPERATORS, Call, OperatorInputs, Setting
from dsocr_symbolic.verification.reference.trace import tensors_in

VALUES = ("random", "index", "permutation", "alternate")
TOGETHER_BYTES = 4 * 10**9
"""Operands that stand in memory together, unless a single record has more."""


@frozen(kw_only=True)
class TensorSpec:
    """A tensor: its shape, its layout, and what is in it.

    Attributes
    ----------
    shape : tuple of int
        Before a part is taken of it and before it is expanded.
    dtype : str
        ``bf16``, ``fp32``, ``int64`` or ``bool``.
    order : tuple of int
        Its axes from the slowest to the fastest one in memory: a permuted view of a dense buffer. Empty: dense.
    part : tuple of int, optional
        Axis, start and stop of a slice: a view into the tensor above.
    values : str
        ``random``: normal, or fair coins for bool; ``index``: integers below `below`; ``permutation``: all integers
        below its number of elements; ``alternate``: every other element is true (or 1).
    below : int
        Bound of indices.
    expand : tuple of int
        The shape that it is expanded to in the end, without a copy; empty: none.
    weight : bool
        Whether it stays out of the cache in a cold benchmark; everything else is rewritten before each call.
    """

    shape: tuple[int, ...]
    dtype: str = "bf16"
    order: tuple[int, ...] = ()
    part: tuple[int, int, int] | None = None
    values: str = "random"
    below: int = 0
    expand: tuple[int, ...] = ()
    weight: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its buffer."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


@frozen(kw_only=True)
class Benchmark:
    """One call to time.

    Attributes
    ----------
    name : str
        Unique among its records.
    call : str
        One of :data:`~dsocr_symbolic.measurement.operators.OPERATORS`.
    tensors : tuple of TensorSpec
        Its operands, in that call's order.
    settings : mapping of str to (int, float or str)
        What it takes besides tensors.
    cold : bool
        Whether the L2 cache is emptied before every call, and then all tensors but weights rewritten.
    training : bool
        Whether to time the call's backward pass instead, to all its floating-point tensors.
    """

    name: str
    call: str
    tensors: tuple[TensorSpec, ...] = ()
    settings: Mapping[str, Setting] = field(factory=dict)
    cold: bool = False
    training: bool = False


def check_benchmark(benchmark: Benchmark) -> None:
    """Refuse a record that cannot be what its call needs, before anything is made."""
    where = f"benchmark '{benchmark.name}'"
    check_known([benchmark.call], OPERATORS, where, "call")
    operator = OPERATORS[benchmark.call]
    least, most = operator.operands
    if not least <= len(benchmark.tensors) <= most:
        needed = str(least) if least == most else f"{least} to {most}"
        raise UserError(
            f"{where}: {benchmark.call} takes {needed} tensors, not {len(benchmark.tensors)}: list exactly its operands"
        )
    check_known(benchmark.settings, (*operator.settings, *operator.options), where, "setting")
    for name in operator.settings:
        if name not in benchmark.settings:
            raise UserError(f"{where}: {benchmark.call} needs setting '{name}': add it under settings")
    for name, value in benchmark.settings.items():
        if name == "dtype":
            check_known([value], DTYPES, where, "dtype")
        elif not isinstance(value, int):
            raise UserError(f"{where}: setting '{name}' is {value!r}, not an integer: give one")
    for place, spec in enumerate(benchmark.tensors):
        _check_spec(spec, f"{where}, tensor {place}")


def _check_spec(spec: TensorSpec, where: str) -> None:
    check_known([spec.dtype], DTYPES, where, "dtype")
    check_known([spec.values], VALUES, where, "values")
    axes = tuple(range(len(spec.shape)))
    if any(size < 0 for size in spec.shape):
        raise UserError(f"{where}: shape {spec.shape} has a negative size: sizes are 0 or more")
    if spec.order and tuple(sorted(spec.order)) != axes:
        raise UserError(f"{where}: order {spec.order} is no permutation of the axes {axes}: name each axis once")
    if spec.part is not None:
        axis, start, stop = spec.part
        if axis not in axes or not 0 <= start < stop <= spec.shape[axis]:
            raise UserError(
                f"{where}: part {spec.part} is not within shape {spec.shape}: give an axis, its start and its stop"
            )
    if spec.values == "index" and spec.below <= 0:
        raise UserError(f"{where}: indices need a bound: give below, 1 or more")
    if spec.values == "random" and spec.dtype == "int64":
        raise UserError(f"{where}: integers are not drawn at random: give values: index, permutation or alternate")


@frozen(kw_only=True)
class _Made:
    """A tensor as its call sees it, and the dense buffer that it is a view of."""

    view: Tensor
    buffer: Tensor


def make_tensor(spec: TensorSpec, device: str) -> Tensor:
    """Make a tensor with the strides and the values that its description asks for."""
    return _made(spec, device).view


def _made(spec: TensorSpec, device: str) -> _Made:
    order = spec.order or tuple(range(len(spec.shape)))
    buffer = _values(spec, tuple(spec.shape[axis] for axis in order), device)
    view = buffer.permute([order.index(axis) for axis in range(len(order))])
    if spec.part is not None:
        axis, start, stop = spec.part
        view = view.narrow(axis, start, stop - start)
    if spec.expand:
        view = view.expand(spec.expand)
    return _Made(view=view, buffer=buffer)


def _values(spec: TensorSpec, shape: tuple[int, ...], device: str) -> Tensor:
    dtype, count = DTYPES[spec.dtype], math.prod(shape)
    if spec.values == "random" and dtype.is_floating_point:
        return torch.randn(shape, dtype=dtype, device=device)
    if spec.values == "permutation":
        made = torch.randperm(count, device=device)
    elif spec.values == "alternate":
        made = torch.arange(1, count + 1, device=device) % 2
    else:
        made = torch.randint(2 if spec.values == "random" else spec.below, (count,), device=device)
    return made.to(dtype).reshape(shape)


def prepare(benchmark: Benchmark, device: str) -> Timed:
    """Make a record's tensors on a device, and what is to be timed of them."""
    check_benchmark(benchmark)
    operator = OPERATORS[benchmark.call]
    made = [_made(spec, device) for spec in benchmark.tensors]
    given = OperatorInputs(tensors=tuple(each.view for each in made), settings=benchmark.settings, device=device)
    hot = [each.buffer for each, spec in zip(made, benchmark.tensors, strict=True) if not spec.weight]
    try:
        if benchmark.training:
            call, gradients = _backward(benchmark, given)
            hot += gradients
        else:
            # What TorchScript compiles depends on it.
            with torch.no_grad():
                call = operator.bind(given)
    except UserError as error:
        raise UserError(f"benchmark '{benchmark.name}': {error}") from error
    return Timed(call=call, cold=benchmark.cold, hot=tuple(hot) if benchmark.cold else ())


def _backward(benchmark: Benchmark, given: OperatorInputs) -> tuple[Call, list[Tensor]]:
    """Call forward once; return what goes backward through it again and again, and the gradients it begins with."""
    operator = OPERATORS[benchmark.call]
    # No view is part of the graph, and rewriting a buffer does not void what the graph has saved of it.
    leaves = tuple(each.data.requires_grad_(each.is_floating_point()) for each in given.tensors)
    trained = [leaf for leaf in leaves if leaf.requires_grad]
    with torch.enable_grad():
        first = (leaves[0].clone(), *leaves[1:]) if operator.in_place else leaves
        out = operator.bind(OperatorInputs(tensors=first, settings=given.settings, device=given.device))()
    reached = [each for each in tensors_in([out]) if each.requires_grad]
    if not reached:
        raise UserError(f"{benchmark.call} has no gradient here: give it floating-point tensors, or no training")
    gradients = [torch.randn_like(each) for each in reached]
    return lambda: torch.autograd.grad(reached, trained, gradients, retain_graph=True, allow_unused=True), gradients


def measure_all(
    benchmarks: Sequence[Benchmark], *, say: Callable[[str], None], dry: bool = False
) -> list[tuple[Benchmark, Busy]]:
    """Time every record on the current GPU; a dry run calls each once on a CPU.

    Parameters
    ----------
    benchmarks : sequence of Benchmark
        All are checked before the first one runs.
    say : callable
        Takes a line about each batch.
    dry : bool
        Whether to time nothing.

    Returns
    -------
    list of (Benchmark, Busy)
        In the same order.
    """
    for benchmark in benchmarks:
        check_benchmark(benchmark)
    require_gpu(dry=dry)
    found: list[tuple[Benchmark, Busy]] = []
    for batch in _batches(benchmarks):
        timed = [_tried(benchmark, "cpu" if dry else "cuda") for benchmark in batch]
        found.extend(zip(batch, _timed(batch, timed, dry=dry), strict=True))
        # Before the next batch is made.
        timed.clear()
        if not dry:
            torch.cuda.empty_cache()
        say(f"{len(found)} of {len(benchmarks)} benchmarks: {batch[0].name} to {batch[-1].name}")
    return found


def _timed(batch: Sequence[Benchmark], timed: Sequence[Timed], *, dry: bool) -> list[Busy]:
    try:
        return busy(timed, dry=dry)
    except RuntimeError as error:
        said = one_line(str(error).partition("\n")[0])
        names = ", ".join(benchmark.name for benchmark in batch)
        raise UserError(f"one of the benchmarks {names} failed when repeated ({said}): mend its record") from error


def _tried(benchmark: Benchmark, device: str) -> Timed:
    """Prepare and call once, so that what fails is known by name."""
    try:
        timed = prepare(benchmark, device)
        with torch.no_grad():
            timed.call()
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        said = one_line(str(error).partition("\n")[0])
        raise UserError(f"benchmark '{benchmark.name}': {benchmark.call} failed ({said}): mend its record") from error
    return timed


def _batches(benchmarks: Sequence[Benchmark]) -> Iterator[list[Benchmark]]:
    """Cut records into batches that a session of the profiler takes and that fit into memory."""
    batch: list[Benchmark] = []
    size = 0
    for benchmark in benchmarks:
        nbytes = sum(spec.nbytes for spec in benchmark.tensors)
        if batch and (len(batch) == AT_ONCE or size + nbytes > TOGETHER_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(benchmark)
        size += nbytes
    if batch:
        yield batch
