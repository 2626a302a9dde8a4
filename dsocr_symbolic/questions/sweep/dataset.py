"""Sweeps as labelled arrays: an xarray Dataset with one dimension per axis and one variable per metric."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.questions.sweep.axes import at
from dsocr_symbolic.questions.sweep.boxes import sides
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.plan import SweepPlan, plan_sweep
from dsocr_symbolic.questions.sweep.warned import warnings_along
from dsocr_symbolic.writing.files import written_whole

if TYPE_CHECKING:
    import xarray

MOST_NUMBERS = 2**28


def sweep(
    model: Model,
    *,
    metrics: str | Sequence[str],
    by: str | Sequence[str] = "total",
    settings: Mapping[str, Any] | None = None,
    waived: Iterable[str] = (),
    chunks: Mapping[str, Any] | None = None,
    **vary: Any,
) -> "xarray.Dataset":
    """Evaluate metrics at every combination of values.

    >>> from dsocr_symbolic import load_model, sweep
    >>> sweep(
    ...     load_model("deepseek-ocr"),
    ...     metrics="forward_tensor_core_flops",
    ...     by="stage",
    ...     batch=[1, 8],
    ...     crop_grid=[(0, 0), (3, 2)],
    ... ).forward_tensor_core_flops.sel(batch=8, crop_grid="3x2", stage="prefill").item()
    8695320979968.0

    Parameters
    ----------
    model : Model
        The network.
    metrics : str or sequence of str
        Names of the registry; each becomes a data variable.
    by : str or sequence of str
        ``"total"``; ``"stage"`` for every stage and the total, along a dimension ``stage``; the path of a part;
        or several paths, along a dimension ``part``.
    settings : mapping of str to number, optional
        Values of symbols that do not vary.
    waived : iterable of str
        Switches that lift rules: ``["allow_any_grid"]``.
    chunks : mapping of str to int, optional
        Points per chunk along each axis. The variables are then dask arrays, computed when they are asked for,
        chunk by chunk, on whatever cluster dask runs; an axis that is not named is one chunk.
    **vary
        What varies, in the order of the dimensions: ``batch=[1, 2, 4]``, ``batch="1:128"`` (128 is included),
        ``memory_bandwidth="1e12:2e12:1e11"``, ``gpu=["rtx5090", "h200"]``, ``workload=["tiny", "gundam"]``,
        ``attention=["flash", "eager"]``, ``crop_grid=[(0, 0), (3, 2)]``, ``crop_grid="none,3x2"``, or
        ``crop_grid="all"`` for all grids that the network cuts, and none. What follows from other symbols may vary by
        itself (``prompt_tokens="100:900:100"``). A single number or name is what it is at every point.

    Returns
    -------
    xarray.Dataset
        float64, in the units that each variable's attribute ``units`` names. Crop columns and rows are
        coordinates along ``crop_grid``. A ratio of nothing is not a number. What the model file warns of stands in
        the attribute ``warnings``, but for chunks, whose points are not known yet.

    Raises
    ------
    UserError
        If a name or value is wrong, or a rule of the model is broken at a point.
    """
    threads = None if chunks is None else 1
    plan = plan_sweep(model, metrics=metrics, by=by, settings=settings, waived=waived, threads=threads, **vary)
    return dataset(plan) if chunks is None else lazy_dataset(plan, chunks)


def dataset(plan: SweepPlan, advance: Callable[[int], Any] = lambda _: None) -> "xarray.Dataset":
    """Evaluate a planned sweep; ``advance`` is told of points done."""
    columns = len(plan.columns)
    check_memory(plan)
    extra("xarray")
    numbers = np.empty((plan.count, columns))
    for start, stop in plan.blocks():
        for place, values in enumerate(plan.evaluate_range(start, stop)):
            numbers[start:stop, place] = values
        advance(stop - start)
    warnings = warnings_along(plan)
    labelled = _labelled(plan, numbers.reshape(*plan.shape, columns))
    return labelled.assign_attrs(warnings="; ".join(warnings)) if warnings else labelled


def check_memory(plan: SweepPlan) -> None:
    """Refuse more numbers than memory should hold."""
    count = plan.count * len(plan.columns)
    if count > MOST_NUMBERS:
        many = f"{count:,} numbers are too many for memory (at most {MOST_NUMBERS:,})"
        raise UserError(f"{many}: write Parquet, or give chunks")


def lazy_dataset(plan: SweepPlan, chunks: Mapping[str, Any]) -> "xarray.Dataset":
    """Describe a sweep that dask computes when asked; ``chunks``: points per axis, -1 or left out for one chunk."""
    dask = extra("dask.array")
    names = [axis.name for axis in plan.axes]
    for axis in plan.axes:
        if len(axis) > MOST_NUMBERS:
            raise UserError(f"{axis.name}: {len(axis):,} labels are too many for memory; write Parquet")
    for name in chunks:
        if name not in names:
            raise UserError(f"chunks: unknown axis '{name}': {nearest(name, names)}")
    try:
        asked = tuple(chunks.get(name, -1) for name in names)
        sizes = dask.core.normalize_chunks(asked, shape=plan.shape, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"chunks: {dict(chunks)} are no numbers of points per axis") from error
    numbers = dask.map_blocks(
        _block,
        plan=plan,
        chunks=(*sizes, (len(plan.columns),)),
        dtype=np.float64,
        meta=np.empty((0,) * (len(names) + 1)),
        name=f"sweep-{plan.fingerprint}",
    )
    return _labelled(plan, numbers)


def write_netcdf(data: "xarray.Dataset", path: Path) -> None:
    """Write a sweep as netCDF (HDF5), whole or not at all; ``xarray.open_dataset`` reads it.

    HDF5 writes to memory: where a disk is full it does not fail but crash.
    """
    extra("h5netcdf")
    extra("h5py")
    content = io.BytesIO()
    data.to_netcdf(content, engine="h5netcdf")
    with written_whole(path) as draft:
        draft.write_bytes(content.getbuffer())


def _block(*, plan: SweepPlan, block_info: Any) -> Any:
    """Evaluate one chunk: its points in C order, columns last."""
    spans = tuple(block_info[None]["array-location"][:-1])
    shape = sides(spans)
    numbers = np.empty((*shape, len(plan.columns)))
    try:
        plan.evaluate_box(spans, [numbers[..., place] for place in range(len(plan.columns))])
    except UserError:
        places = [axis.reshape(-1) for axis in np.meshgrid(*(np.arange(*span) for span in spans), indexing="ij")]
        return np.stack(plan.evaluate(tuple(places)), axis=-1).reshape(numbers.shape)
    return numbers


def _labelled(plan: SweepPlan, numbers: Any) -> "xarray.Dataset":
    """Put names, units and coordinates to numbers whose last dimension are the plan's columns."""
    coordinates: dict[str, Any] = {}
    for axis in plan.axes:
        everything = np.arange(len(axis))
        coordinates[axis.name] = (axis.name, at(axis.labels, everything), {"long_name": axis.meaning})
        for symbol, values in axis.numbers.items():
            if symbol != axis.name:
                coordinates[symbol] = (axis.name, at(values, everything), {"long_name": symbol.replace("_", " ")})
    dimensions, fixed, several = [axis.name for axis in plan.axes], dict(plan.about), plan.part_dimension
    if several:
        dimensions.append(several)
        coordinates[several] = (several, np.array(plan.parts), {"long_name": "part of the network"})
    else:
        fixed["part"] = plan.parts[0]
    variables = {}
    for place, metric in enumerate(plan.metrics):
        first = place * len(plan.parts)
        values = numbers[..., first : first + len(plan.parts)] if several else numbers[..., first]
        variables[metric.name] = (dimensions, values, {"units": metric.unit, "long_name": metric.definition})
    labelled: xarray.Dataset = extra("xarray").Dataset(variables, coordinates, fixed)
    return labelled
