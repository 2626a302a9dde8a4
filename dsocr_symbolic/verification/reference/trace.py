"""Count what a call launches, reads and writes, on the aten operators that PyTorch dispatches.

Conventions: views and allocations are free; every other operator is one launch that reads each tensor input
once (dimensions of stride 0 count once) and writes each output. Gathers read what they output, plus their
indices; scatters write what they scatter; in-place operators read and write, unless they only overwrite. Adding at an
index reads and writes as many elements as it adds. A grouped product is one product of a row and a matrix per row,
for which PyTorch's own counter has no rule.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from attrs import Factory, define
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dsocr_symbolic.verification.reference.cuda_flops import cuda_core_flops
from dsocr_symbolic.verification.reference.saved import original

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

FREE = frozenset(("_unsafe_view", "_reshape_alias", "alias", "detach", "lift_fresh"))
FREE |= {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
GATHERS = frozenset({"embedding", "index", "index_select", "gather", "moe_permute", "compiled_tables"})
GATHERS |= {"compiled_relative_rows", "compiled_scaled_rows"}
INDEX_PUTS = frozenset({"index_put", "index_put_"})
SCATTERS = frozenset({"scatter", "scatter_"})
INDEX_ADDS = frozenset({"index_add", "index_add_", "compiled_weighted_add"})
CACHE_WRITE, LATENT_WRITE, ROTARY_WRITE, PARTED_WRITE, ROW_NORM, BLENDED = (
    "write_pages",
    "concat_and_cache_mla",
    "rotary_and_cache",
    "parted_rotary_and_cache",
    "compiled_rows",
    "compiled_resized_rows",
)
OVERWRITES = frozenset({"copy_", "fill_", "zero_"})
GROUPED_PRODUCT = "_grouped_mm"
MASKED_ATTENTION = "_scaled_dot_product_efficient_attention"
CONVOLUTION_BACKWARD, LAYER_NORM_BACKWARD = "convolution_backward", "native_layer_norm_backward"

Access = tuple[torch.dtype, int]
"""A dtype and how many of its elements are moved."""


def stored_elements(tensor: Tensor) -> int:
    """Count a tensor's elements, those of expanded dimensions (stride 0) once."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        # An empty tensor is empty, whatever its strides.
        count *= size if stride or not size else 1
    return count


def dtype_class(dtype: torch.dtype) -> str:
    """Sort a dtype into ``float`` (complex too), ``int`` or ``bool``."""
    if dtype == torch.bool:
        return "bool"
    return "float" if dtype.is_floating_point or dtype.is_complex else "int"


@define
class Traffic:
    """What some operators cost together."""

    launches: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    tensor_core_flops: int = 0
    cuda_core_flops: int = 0
    elements_read: Counter[str] = Factory(Counter)
    """By dtype class."""
    elements_written: Counter[str] = Factory(Counter)
    """By dtype class."""

    @property
    def io_bytes(self) -> int:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written

    def add(self, other: "Traffic") -> None:
        """Add another cost to this one."""
        self.launches += other.launches
        self.bytes_read += other.bytes_read
        self.bytes_written += other.bytes_written
        self.tensor_core_flops += other.tensor_core_flops
        self.cuda_core_flops += other.cuda_core_flops
        self.elements_read.update(other.elements_read)
        self.elements_written.update(other.elements_written)


def tensors_in(values: Iterable[object]) -> list[Tensor]:
    """List the tensors among some values, in order; lists and tuples are opened, other containers are not."""
    tensors: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, list | tuple):
            tensors.extend(tensors_in(value))
    return tensors


def _moved(accesses: Iterable[Access]) -> tuple[int, Counter[str]]:
    size, elements = 0, Counter[str]()
    for dtype, count in accesses:
        size += count * dtype.itemsize
        elements[dtype_class(dtype)] += count
    return size, elements


@cache
def is_free(func: Any) -> bool:
    """Say whether an operator moves nothing: a view, an allocation or a question about a tensor."""
    if func.namespace == "prim" or func._overloadpacket.__name__ in FREE:  # noqa: SLF001
        return True
    aliases = (argument.alias_info for argument in func._schema.arguments)  # noqa: SLF001
    return any(alias is not None and not alias.is_write for alias in aliases)


def _accesses(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: object
) -> tuple[list[Access], list[Access]]:
    inputs = [original(tensor) for tensor in tensors_in((*args, *kwargs.values()))]
    writes = [(tensor.dtype, tensor.numel()) for tensor in tensors_in((out,))]
    reads = [(tensor.dtype, stored_elements(tensor)) for tensor in inputs]
    if name in GATHERS:
        reads = writes + reads[len(writes) :]
    elif name in INDEX_PUTS:
        values = args[2]
        reads, writes = reads[1:], [(values.dtype, values.numel())]
    elif name in SCATTERS:
        reads, writes = reads[1:], [(inputs[0].dtype, inputs[1].numel())]
    elif name in INDEX_ADDS:
        writes = [(inputs[0].dtype, inputs[2].numel())]
        reads = writes + reads[1:]
    elif name == CACHE_WRITE:
        reads, writes = reads[1:], reads[1:2]
    elif name == ROW_NORM:
        # Two tensors of rows and a number a row are looked up.
        rows = inputs[3].numel()
        reads = [*(2 * writes), (inputs[2].dtype, rows), *reads[3:]]
    elif name == BLENDED:
        # Each row is made of two.
        reads = 2 * writes
    elif name == ROTARY_WRITE:
        # What the merged product holds besides queries goes to the cache.
        reads, writes = reads[1:], [*writes, (inputs[0].dtype, inputs[1].numel() - writes[0][1])]
    elif name == LATENT_WRITE:
        reads, writes = reads[1:], [(inputs[0].dtype, inputs[1].numel() + inputs[2].numel())]
    elif name == PARTED_WRITE:
        # Keys and values go to the cache.
        reads, writes = reads[1:], [*writes, (inputs[0].dtype, inputs[2].numel() + inputs[3].numel())]
    elif name in OVERWRITES:
        reads = reads[1:]
    elif name == MASKED_ATTENTION and (mask := args[3]) is not None:
        q, k = inputs[:2]
        reads[3] = (mask.dtype, q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2])
    elif name == CONVOLUTION_BACKWARD:
        # The gradient of the input comes from the weight, that of the weight from the input.
        of_input, of_weight, _ = args[-1]
        reads = [reads[0], *([reads[1]] if of_weight else []), *([reads[2]] if of_input else [])]
    elif name == LAYER_NORM_BACKWARD:
        # The bias is handed in last, and no gradient depends on it.
        reads = reads[:5]
    return reads, writes


def _product_flops(packet: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: object) -> int:
    """Count products as PyTorch does, and grouped ones, which it has no rule for: each row meets one matrix."""
    if packet.__name__ == GROUPED_PRODUCT:
        a, b = args[0], args[1]
        # Groups lie along the columns of b where they are those of matrices in a, else along the rows or the sums of a.
        return int(2 * b.numel() * a.shape[-2] if a.dim() > b.dim() else 2 * a.numel() * b.shape[-1])
    return int(flop_registry[packet](*args, **kwargs, out_val=out)) if packet in flop_registry else 0


def operator_traffic(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: object) -> Traffic | None:
    """Count one operator; None if it is free."""
    if is_free(func):
        return None
    packet = func._overloadpacket  # noqa: SLF001
    reads, writes = _accesses(packet.__name__, args, kwargs, out)
    bytes_read, elements_read = _moved(reads)
    bytes_written, elements_written = _moved(writes)
    flops = _product_flops(packet, args, kwargs, out)
    return Traffic(
        launches=1,
        bytes_read=bytes_read,
        bytes_written=bytes_written,
        tensor_core_flops=flops,
        cuda_core_flops=cuda_core_flops(packet.__name__, args, out, kwargs),
        elements_read=elements_read,
        elements_written=elements_written,
    )


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hand what every operator costs that is dispatched within the block to :meth:`count`."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and count it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        traffic = operator_traffic(func, args, kwargs, out)
        if traffic is not None:
            self.count(func._overloadpacket.__name__, args, traffic)  # noqa: SLF001
        return out

    def count(self, name: str, args: tuple[Any, ...], traffic: Traffic) -> None:
        """Take the cost of one operator, by aten name without overload, that ran on these arguments."""
        raise NotImplementedError


class OperatorTrace(CountingMode):
    """Count every operator that is dispatched within the block.

    With a model, counts are also kept per module of it, by path; operators outside any of its modules and those of a
    backward pass stand under the empty path.

    Attributes
    ----------
    by_operator : dict of str to Traffic
        By aten name without overload.
    by_module : dict of str to (dict of str to Traffic)
        By path of the innermost module and aten name; empty without a model.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operator: dict[str, Traffic] = {}
        self.by_module: dict[str, dict[str, Traffic]] = {}
        self._model = model
        self._path: list[str] = []
        self._hooks: list[RemovableHandle] = []

    @property
    def total(self) -> Traffic:
        """All operators together."""
        return _sum(self.by_operator.values())

    def under(self, path: str) -> Traffic:
        """Sum a module, by its path in ``named_modules``, and everything below it."""
        return _sum(
            traffic
            for other, operators in self.by_module.items()
            if not path or other == path or other.startswith(f"{path}.")
            for traffic in operators.values()
        )

    def __enter__(self) -> Self:
        if self._model is not None:
            for path, module in self._model.named_modules():
                self._watch(path, module)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, value, traceback)  # type: ignore[no-untyped-call]
        while self._hooks:
            self._hooks.pop().remove()
        self._path.clear()

    def _watch(self, path: str, module: nn.Module) -> None:
        def enter(*_: object) -> None:
            self._path.append(path)

        def leave(*_: object) -> None:
            self._path.pop()

        self._hooks.append(module.register_forward_pre_hook(enter, prepend=True))
        self._hooks.append(module.register_forward_hook(leave, always_call=True))

    def count(self, name: str, args: tuple[Any, ...], traffic: Traffic) -> None:  # noqa: ARG002 - a hook
        """Add what an operator costs to those of its name, and to those of its module."""
        self.by_operator.setdefault(name, Traffic()).add(traffic)
        if self._model is not None:
            operators = self.by_module.setdefault(self._path[-1] if self._path else "", {})
            operators.setdefault(name, Traffic()).add(traffic)


def _sum(parts: Iterable[Traffic]) -> Traffic:
    total = Traffic()
    for part in parts:
        total.add(part)
    return total
