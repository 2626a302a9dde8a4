"""What was counted on a real module, and how it compares with the formula."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.formula import EMPTY
from dsocr_symbolic.verification.reference.cuda_flops import COSTS

FUNCTION_COSTS = {f"flops_per_{name}": cost for name, cost in COSTS.items()}
"""The ``flops_per_`` symbols as the counts have them."""


@frozen(kw_only=True)
class Counted:
    """Counts of one call of one module.

    Attributes
    ----------
    source : str
        Whose module it is: ``reference``, ``transformers 5.x``, ``checkpoint``.
    layer : str
        The formula file it stands for: ``vision/attention``.
    settings : mapping of str to number
        The formula's symbols in this call.
    choices : mapping of str to str
        Options of the model's choices in this call: ``attention``, ``precision``, ``experts``.
    metrics : mapping of str to int
        Counts by metric name of the registry; those that this source can count.
    by_aten : mapping of str to (int, int)
        Bytes moved and launches by aten operator; empty if not counted.
    without : tuple of str
        Nodes of the formula (last part of the path) that the call leaves out, such as ``embed_tokens``.
    """

    source: str
    layer: str
    settings: Mapping[str, Any]
    choices: Mapping[str, str] = EMPTY
    metrics: Mapping[str, int]
    by_aten: Mapping[str, tuple[int, int]] = EMPTY
    without: tuple[str, ...] = ()


@frozen(kw_only=True)
class Difference:
    """A metric, or bytes and launches of an aten operator, that does not agree."""

    name: str
    formula: Any
    counted: Any


@frozen(kw_only=True)
class Comparison:
    """A count next to its formula; no differences mean that they agree to the last digit."""

    counted: Counted
    differences: tuple[Difference, ...]
