"""What TorchInfo itself says of the network: the table that is shown, and the numbers that are not used."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dsocr_symbolic.verification.torchinfo.analysis import MultiplyAdds, TorchinfoNumbers
from dsocr_symbolic.verification.torchinfo.calls import PARTS, Forward, inputs

if TYPE_CHECKING:
    from torch import nn

DEPTH = 3


def torchinfo_numbers(network: "nn.Module", prefill: Forward | None) -> TorchinfoNumbers:
    """Ask TorchInfo, without a forward and with one.

    Parameters
    ----------
    network : nn.Module
        The network, on the meta device.
    prefill : Forward or None
        Our count of the same forward; None for a network that is not run.

    Returns
    -------
    TorchinfoNumbers
        Its answers.
    """
    import torchinfo

    static = torchinfo.summary(
        network, depth=DEPTH, verbose=0, col_names=("num_params",), row_settings=("depth", "var_names")
    )
    answers: dict[str, Any] = {
        "version": torchinfo.__version__,
        "table": "\n".join(line.rstrip() for line in str(static).splitlines()),
        "parameters": static.total_params,
    }
    return TorchinfoNumbers(**answers, **(_with_forward(network, prefill) if prefill else {}))


def _with_forward(network: "nn.Module", prefill: Forward) -> dict[str, Any]:
    import torch
    import torchinfo

    arguments = inputs()
    with torch.no_grad():
        ran = torchinfo.summary(network, input_data=[arguments.pop("input_ids")], device="meta", verbose=0, **arguments)
    counted = {name: flops // 2 for name, flops in prefill.tensor_core_flops.items()}
    theirs = {**_by_part(ran.summary_list), "total": ran.total_mult_adds}
    return {
        "rows": dict(Counter(row.class_name for row in ran.summary_list)),
        "shown_parameters": sum(_shown(row) for row in ran.summary_list if row.depth <= DEPTH),
        "multiply_adds": tuple(
            MultiplyAdds(part=name, torchinfo=theirs[name], counted=number) for name, number in counted.items()
        ),
    }


def _by_part(rows: list[Any]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for row in rows:
        path = _path(row)
        for name, prefix in PARTS.items():
            if row.is_leaf_layer and (path == prefix or path.startswith(f"{prefix}.")):
                found[name] += row.macs
    return found


def _path(row: Any) -> str:
    names: list[str] = []
    while row is not None and row.depth:
        names.insert(0, row.var_name)
        row = row.parent_info
    return ".".join(names)


def _shown(row: Any) -> int:
    """Return the number that a row shows: a parent of shown rows what they leave, a repetition nothing."""
    if row.is_recursive:
        return 0
    return int(row.leftover_params() if row.depth < DEPTH and row.children else row.num_params)
