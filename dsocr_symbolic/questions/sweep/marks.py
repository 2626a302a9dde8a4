"""What a picture marks at the points of a sweep: a workload that its machine cannot hold, and what is warned of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.evaluation.kernel import find_symbol, find_warned
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.plan import SweepPlan, plan_sweep
from dsocr_symbolic.writing.amounts import scaled

if TYPE_CHECKING:
    import xarray

_PEAK, _CAPACITY = "peak_memory_bytes", "capacity"


@frozen(kw_only=True, eq=False)
class Marks:
    """What is marked.

    Attributes
    ----------
    unfit : xarray.DataArray of bool
        Along the axes: whether the worst moment needs more than the machine's capacity.
    warned : xarray.DataArray of bool
        Along the axes: whether the model file warns of a point.
    room : str
        What it does not fit, in words.
    """

    unfit: "xarray.DataArray"
    warned: "xarray.DataArray"
    room: str


def memory_plan(model: Model, vary: Mapping[str, Any], **arguments: Any) -> SweepPlan:
    """SweepPlan what the points of a sweep need of memory: on the first of several machines, for it depends on none."""
    gpu = vary.get("gpu")
    one = dict(vary) if gpu is None or isinstance(gpu, str) else {**vary, "gpu": [gpu[0]]}
    return plan_sweep(model, metrics=_PEAK, by="total", **arguments, **one)


def marks_of(plan: SweepPlan, memory: SweepPlan) -> Marks:
    """Find out what is to be marked; ``memory`` is what :func:`memory_plan` gave for the same question."""
    peak = np.concatenate([memory.evaluate_range(start, stop)[0] for start, stop in memory.blocks()])
    room, warned = np.empty(plan.count), np.zeros(plan.count, dtype=bool)
    for start, stop in plan.blocks():
        places = plan.places(start, stop)
        for function, where in plan.combinations(places):
            inputs = plan.inputs(places, where)
            room[start:stop][where] = find_symbol(function, _CAPACITY, inputs)
            for broken in find_warned(function, inputs):
                warned[start:stop][where] |= np.asarray(broken)
    unfit = peak.reshape(memory.shape) > room.reshape(plan.shape)
    names = [axis.name for axis in plan.axes]
    array = extra("xarray").DataArray
    one = room.min() == room.max()
    return Marks(
        unfit=array(unfit, dims=names),
        warned=array(warned.reshape(plan.shape), dims=names),
        room=scaled(float(room[0]), "B") if one else "its machine's memory",
    )
