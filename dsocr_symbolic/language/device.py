"""What a GPU runs for an operator: its kernels, each of a class whose time is a formula in formulas/time/device."""

from collections.abc import Mapping

from attrs import frozen

from dsocr_symbolic.language.expression import Expression, parse
from dsocr_symbolic.language.schema import BLANK, COUNT, GUARD, entry

_ONE = parse(1, "1")


@frozen(kw_only=True)
class KernelWork:
    """One kernel, copy or fill that runs on a GPU.

    Besides the formula's symbols its expressions know ``io_bytes``, the bytes of the launch, and of each input
    ``NAME_turned`` and ``NAME_permuted``: 1 where its innermost axis, or an outer one, is not laid out in order.
    """

    time: str = entry("its class, a file in formulas/time/device")
    given: Mapping[str, Expression] = entry("a value for each symbol of the class", key="with", default=BLANK)
    when: Expression | None = entry("guard of 1 or 0", GUARD, default=None)
    calls: Expression = entry("how often it runs in one launch", COUNT, default=_ONE)
    waits: bool = entry("whether the host waits until it is done", default=False)
