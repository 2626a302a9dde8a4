"""What runs on the GPU in one call: every kernel with its arguments."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.call import KernelWork
from dsocr_symbolic.language.expression import parse
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.node import DeviceKernel, Scope

# What an operator does that says nothing of its kernels: it reads and writes its tensors as fast as a copy does.
_PLAIN: Mapping[str, KernelWork] = {"kernel": KernelWork(time="stream", given={"bytes": parse("io_bytes", "")})}


def kernels_of(
    works: Mapping[str, KernelWork] | None, scope: Scope, algebra: ModuleType, guard: Expr = 1
) -> tuple[DeviceKernel, ...]:
    """Return the kernels of one call that guards let run, with their arguments; None are those of a plain operator.

    Only in symbols: their rates are the machine's, of which nothing else is a number in a tree.
    """
    if not hasattr(algebra, "symbol"):
        return ()
    found = []
    known = {**machine_symbols(), **scope}
    for name, work in (_PLAIN if works is None else works).items():
        runs: Expr = guard * value(work.calls, scope, algebra)
        runs = runs if work.when is None else runs * value(work.when, scope, algebra)
        if runs != 0:
            given = {symbol: value(each, known, algebra) for symbol, each in work.given.items()}
            found.append(DeviceKernel(name=name, time=work.time, arguments=given, runs=runs, waits=work.waits))
    return tuple(found)


@cache
def machine_symbols() -> Mapping[str, Expr]:
    """Return every symbol of the machine, standing for itself."""
    # A tree of numbers needs no sympy.
    from dsocr_symbolic.algebras import symbolic

    return {name: symbolic.symbol(name) for name in load_machine()}
