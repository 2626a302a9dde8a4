"""The tree of a whole model, and which of its stages run."""

from collections.abc import Mapping
from functools import lru_cache

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Library
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network import costs, modules
from dsocr_symbolic.network.builder import build_tree, trained_tree
from dsocr_symbolic.network.node import Node, Scope, walk


def model_tree(
    definition: Definition, slots: Mapping[str, str], *, training: bool = True, scope: Scope | None = None
) -> tuple[Node, ...]:
    """Return the tree of a model in symbols, a node per stage, with the training step of each call if asked for.

    ``scope`` gives some symbols a value; all are free without it, and the tree is built once.
    """
    if scope is None:
        return _free_tree(definition, tuple(sorted(slots.items())), training, load_library())
    return _tree(definition, slots, training, load_library(), scope)


@lru_cache(maxsize=8)
def _free_tree(
    definition: Definition, slots: tuple[tuple[str, str], ...], training: bool, library: Library
) -> tuple[Node, ...]:
    return _tree(definition, dict(slots), training, library, _free(definition))


def _free(definition: Definition) -> Scope:
    from dsocr_symbolic.algebras import symbolic

    return {name: symbolic.symbol(name) for name in definition.quantities}


def _tree(
    definition: Definition, slots: Mapping[str, str], training: bool, library: Library, scope: Scope
) -> tuple[Node, ...]:
    from dsocr_symbolic.algebras import symbolic

    build = trained_tree if training else build_tree
    stages = build(
        library,
        definition.stages,
        scope,
        slots,
        symbolic,
        sizes=definition.sizes,
        tied=definition.tied,
        file=definition.file,
    )
    modules.check_owners(walk(stages), definition.file)
    return stages


def stage_guards(definition: Definition, numbers: Mapping[str, Exact], scope: Scope | None = None) -> dict[Expr, Expr]:
    """Return the guards of a model's stages, each with 1 where it lets its stages run at some numbers, else 0.

    ``scope`` gives some symbols a value; all are free without it.
    """
    from dsocr_symbolic.algebras import symbolic

    scope = scope or _free(definition)
    guards = [call.when for call in definition.stages if call.when is not None]
    return {
        costs.value(guard, scope, symbolic): symbolic.number(costs.value(guard, numbers, arithmetic))
        for guard in guards
    }
