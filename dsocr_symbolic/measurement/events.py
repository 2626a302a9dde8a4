"""What PyTorch's profiler recorded of one call, as a tree of what surrounds what, with the kernels of each operator.

The profiler's own list of events holds the same and takes ten times as long to make.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Self

from attrs import define, field

from dsocr_symbolic.measurement.kernels import MeasuredKernel

# Calls of CUDA are numbered apart from operators, and their numbers may be the same.
_RUNTIME = re.compile(r"cu(da)?[A-Z]")


@define(kw_only=True, eq=False)
class Event:
    """A range on the host, or a kernel.

    Attributes
    ----------
    name : str
        Of the operator, the user's range, the autograd node or the kernel.
    start, end : int
        In nanoseconds, all on one clock.
    thread : int
        Of the host.
    sequence_nr : int
        Autograd's number of the node that the operator makes or runs; negative where there is none.
    on_device : bool
        Whether it is a kernel, or another activity of the device.
    linked : bool
        Of a kernel, whether an operator is known that launched it.
    parent : Event or None
        What surrounds a range on its thread.
    leaf : bool
        Whether a range surrounds no other one.
    kernels : list of MeasuredKernel
        What a range launched itself.
    """

    name: str
    start: int
    end: int
    thread: int = 0
    sequence_nr: int = -1
    on_device: bool = False
    linked: bool = False
    parent: Self | None = None
    leaf: bool = True
    kernels: list[MeasuredKernel] = field(factory=list)

    @property
    def kernel(self) -> MeasuredKernel:
        """The event as a kernel."""
        return MeasuredKernel(name=self.name, seconds=(self.end - self.start) * 1e-9)

    def upwards(self) -> Iterator["Event"]:
        """Yield the event and what surrounds it, from the inside out."""
        event: Event | None = self
        while event is not None:
            yield event
            event = event.parent


def read_events(session: Any) -> list[Event]:
    """Read the events of a finished session of ``torch.profiler``, in the order of their beginnings.

    The runtime's own calls, which launch kernels for operators, are left out.
    """
    ranges: dict[int, Event] = {}
    launched: list[tuple[int, Event]] = []
    for each in session.profiler.kineto_results.events():
        start, link = each.start_ns(), each.linked_correlation_id()
        on_device, name = str(each.device_type()).endswith("CUDA"), each.name()
        if not on_device and (link or each.is_async() or _RUNTIME.match(name)):
            continue
        event = Event(
            name=name,
            start=start,
            end=start + each.duration_ns(),
            thread=each.start_thread_id(),
            sequence_nr=each.sequence_nr(),
            on_device=on_device,
        )
        if on_device:
            launched.append((link, event))
        else:
            number = each.correlation_id()
            ranges[number if number and number not in ranges else -len(ranges) - 1] = event
    for link, event in launched:
        if link in ranges:
            event.linked = True
            ranges[link].kernels.append(event.kernel)
    nest(ranges.values())
    return sorted((*ranges.values(), *(event for _, event in launched)), key=_outer_first)


def _outer_first(event: Event) -> tuple[int, int]:
    return event.start, -event.end


def nest(events: Iterable[Event]) -> None:
    """Give every range on the host its parent."""
    threads: dict[int, list[Event]] = {}
    for event in events:
        threads.setdefault(event.thread, []).append(event)
    for thread in threads.values():
        running: list[Event] = []
        for event in sorted(thread, key=_outer_first):
            # What ends too early surrounds nothing more; what overlaps in part surrounds nothing either.
            while running and (event.start >= running[-1].end or event.end > running[-1].end):
                running.pop()
            if running:
                event.parent, running[-1].leaf = running[-1], False
            running.append(event)
