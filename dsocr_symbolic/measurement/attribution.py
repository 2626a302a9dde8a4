"""Which module and which operator each kernel of a call belongs to, by one profiled call."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from attrs import frozen
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.measurement.cupti import NO_WORK
from dsocr_symbolic.measurement.events import Event, read_events
from dsocr_symbolic.measurement.kernels import MeasuredKernel

GRADIENT_SUM = "gradient sum"
"""Operator of what autograd adds where several gradients meet, next to the node that made the last one."""
_RANGE = "dsocr::"
_NODE = "autograd::engine::evaluate_function: "
_OPERATOR = "aten::"
_LONGEST = 80


@frozen(kw_only=True)
class Attributed:
    """Kernels of one operator in one kind of module.

    Attributes
    ----------
    module : str
        Class of the innermost module that ran them and is not PyTorch's own; empty where unknown.
    operator : str
        Outermost aten operator within that module, or in a backward pass the autograd node; empty where unknown.
    seconds : float
        Their time on the device, all calls of the module together.
    kernels : int
        How many there were.
    names : tuple of str
        Their distinct names, shortened.
    """

    module: str
    operator: str
    seconds: float
    kernels: int
    names: tuple[str, ...]


def attribute(
    call: Callable[[], object], modules: Mapping[str, nn.Module], *, backward: bool = False, dry: bool = False
) -> tuple[Attributed, ...]:
    """Profile one call and attribute its kernels, the longest first.

    Parameters
    ----------
    call : Callable
        What to profile; call it before to warm up. For a backward pass it runs the forward and the backward.
    modules : Mapping of str to nn.Module
        What runs. Kernels outside all of their submodules belong to the first of them.
    backward : bool
        Attribute the backward pass's kernels alone, each to the module of its forward.
    dry : bool
        Without a GPU: operators on the CPU stand in for kernels.
    """
    activities = [ProfilerActivity.CPU] if dry else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=activities) as session, _ranges(modules.values()):
        call()
        if not dry:
            torch.cuda.synchronize()
    events = read_events(session)
    if dry:
        for event in events:
            if event.name.startswith(_OPERATOR) and event.leaf:
                event.kernels = [event.kernel]
    root = next((type(module).__name__ for module in modules.values()), "")
    return summed(events, root=root, backward=backward)


def summed(events: Sequence[Event], *, root: str = "", backward: bool = False) -> tuple[Attributed, ...]:
    """Sum the kernels of a profile's events by module and operator, the longest first.

    Parameters
    ----------
    events : sequence of Event
        In the order of their beginnings.
    root : str
        Module of what no module's range surrounds.
    backward : bool
        Take the backward pass's kernels alone.
    """
    modules = _forward_modules(events, root) if backward else {}
    found: dict[tuple[str, str], list[MeasuredKernel]] = {}
    for event in events:
        kernels = [kernel for kernel in event.kernels if _is_work(kernel.name)]
        place = (_backward_place(event, modules) if backward else _forward_place(event, root)) if kernels else None
        if place is not None:
            found.setdefault(place, []).extend(kernels)
    if rest := _unlinked(events, _backward_start(events) if backward else 0):
        found.setdefault(("", ""), []).extend(rest)
    every = [
        Attributed(
            module=module,
            operator=operator,
            seconds=sum(kernel.seconds for kernel in kernels),
            kernels=len(kernels),
            names=tuple(dict.fromkeys(_short(kernel.name) for kernel in kernels)),
        )
        for (module, operator), kernels in found.items()
    ]
    return tuple(sorted(every, key=lambda each: -each.seconds))


@contextmanager
def _ranges(roots: Iterable[nn.Module]) -> Iterator[None]:
    """Surround every call of a module that is not PyTorch's own by a range with its class's name."""
    running: list[Any] = []

    def enter(module: nn.Module, _: Any) -> None:
        span: Any = record_function(_RANGE + type(module).__name__)
        span.__enter__()
        running.append(span)

    def leave(*_: Any) -> None:
        running.pop().__exit__(None, None, None)

    modules = dict.fromkeys(module for root in roots for module in root.modules())
    hooks = []
    for module in modules:
        if not type(module).__module__.startswith("torch.nn"):
            hooks.append(module.register_forward_pre_hook(enter))
            hooks.append(module.register_forward_hook(leave, always_call=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_work(name: str) -> bool:
    """Say whether a device's activity is a kernel, not the mirror of a range or the profiler's own doing."""
    return not name.startswith((_RANGE, *NO_WORK))


def _forward_place(event: Event, root: str) -> tuple[str, str]:
    """Find the module and the operator that an event is a part of: the outermost one that a formula describes."""
    described = operator = outermost = ""
    for each in event.upwards():
        if each.name.startswith(_RANGE):
            return each.name.removeprefix(_RANGE), described or operator or outermost
        outermost = each.name
        if each.name.startswith(_OPERATOR):
            operator = each.name.removeprefix(_OPERATOR)
            described = operator if operator in _described() else described
    return root, described or operator or outermost


@cache
def _described() -> frozenset[str]:
    """Return the aten operators that formulas describe; on some GPUs cuDNN attends in place of another kernel."""
    operators = (each for each in load_library().formulas.values() if isinstance(each, Operator))
    return frozenset(each.aten for each in operators) | {"_scaled_dot_product_cudnn_attention"}


def _backward_place(event: Event, modules: Mapping[int, str]) -> tuple[str, str] | None:
    """Find the same of an event of the backward pass, None of an event outside of it."""
    within: list[str] = []
    for each in event.upwards():
        if each.name.startswith(_NODE):
            name = each.name.removeprefix(_NODE)
            # The engine adds gradients next to the node's own range.
            operator = name.rpartition("::")[2] if name in within else GRADIENT_SUM
            return modules.get(each.sequence_nr, ""), operator
        within.append(each.name)
    return None


def _forward_modules(events: Iterable[Event], root: str) -> dict[int, str]:
    """Map sequence numbers of autograd to the module whose forward made the node.

    Several operators see a number before one uses it up: the last one that begins is, or is within, the one that does.
    """
    return {
        event.sequence_nr: _forward_place(event, root)[0]
        for event in events
        if event.sequence_nr >= 0
        and not event.name.startswith(_RANGE)
        and not any(each.name.startswith(_NODE) for each in event.upwards())
    }


def _backward_start(events: Iterable[Event]) -> int:
    """Find when the first autograd node ran, in nanoseconds."""
    return min((event.start for event in events if event.name.startswith(_NODE)), default=0)


def _unlinked(events: Iterable[Event], start: int) -> list[MeasuredKernel]:
    """List kernels that began after a time, in nanoseconds, and that the profiler linked to no operator."""
    return [
        event.kernel
        for event in events
        if event.on_device and not event.linked and event.start >= start and _is_work(event.name)
    ]


def _short(name: str) -> str:
    """Shorten a kernel's name."""
    for part in ("void ", "at::native::", "(anonymous namespace)::", "c10::"):
        name = name.replace(part, "")
    return name[:_LONGEST]
