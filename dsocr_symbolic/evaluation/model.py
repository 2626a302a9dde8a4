"""A network as a Python object: its parts as sympy expressions, variations of it, functions of its numbers."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import sympy
from attrs import evolve, field, frozen

from dsocr_symbolic.algebras.symbolic import symbol
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.binding import bind
from dsocr_symbolic.evaluation.compilation import TOTAL, compile_outputs
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.formulas import expression_at, made_once, paths_of, whole_of
from dsocr_symbolic.evaluation.kernel import Backend
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import known_metric, load_metrics
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.leaves import Whole
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.overrides import read_override, spelled_out
from dsocr_symbolic.scenario.values import load_workload
from dsocr_symbolic.writing.notebook import Shown, Written


@frozen(kw_only=True, repr=False)
class Model(Shown):
    """A network with choices made: immutable, hashable, and equal to a model that was made alike.

    Attributes
    ----------
    definition : Definition
        What its model file says.
    options, said : tuple of (str, str)
        The option of every choice, and of these the ones that were chosen.
    config : tuple of (str, int)
        Sizes from a config.json: what the symbols are worth when the model is compiled.
    overrides : tuple of (str, Expr)
        What :meth:`what_if` put in, by symbol.
    """

    definition: Definition
    options: tuple[tuple[str, str], ...]
    config: tuple[tuple[str, int], ...]
    overrides: tuple[tuple[str, Expr], ...]
    said: tuple[tuple[str, str], ...] = field(default=(), eq=False)

    @cached_property
    def plain(self) -> "Model":
        """The model before sizes were read and anything was put in."""
        return evolve(self, config=(), overrides=())

    @property
    def stages(self) -> tuple[Node, ...]:
        """The tree, one node per stage, before anything is put in; a training step stands apart from it."""
        return self.whole.stages

    @cached_property
    def replacements(self) -> Mapping[Expr, Expr]:
        """What :meth:`what_if` put in, as sympy symbols and what stands for each, in free symbols alone."""
        replaced = spelled_out(dict(self.overrides))
        known = self.definition.quantities.items()
        standing = {symbol(name): symbol(quantity.in_bounds_for) for name, quantity in known if quantity.in_bounds_for}
        return replaced | {name: replaced[base] for name, base in standing.items() if base in replaced}

    @cached_property
    def whole(self) -> Whole:
        """The tree with its definition, for metrics that depend on what stands around a part."""
        return whole_of(self.definition, self.options, training=False)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path, the whole first, parents before children."""
        return tuple(paths_of(self.definition, self.options))

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The paths of the stages, in order."""
        return tuple(path for path in self.paths if path and "/" not in path)

    def __getitem__(self, path: str) -> "Part":
        """Return a part by its path, such as ``"prefill/layers.1-11"``; ``""`` is the whole.

        Raises
        ------
        UserError
            If there is no such part.
        """
        if path not in paths_of(self.definition, self.options):
            raise UserError(f"unknown part '{path}': {nearest(str(path), filter(None, self.paths))}")
        return Part(model=self, path=path)

    def total(self, metric: str) -> Expr:
        """Return a metric of the whole network.

        Parameters
        ----------
        metric : str
            A name of the registry.

        Returns
        -------
        sympy.Expr
            The expression; every symbol is free that nothing was put in for.

        Raises
        ------
        UserError
            If the metric is unknown, or does not exist for the whole.
        """
        return self[""].metric(metric)

    def what_if(self, **values: Any) -> "Model":
        """Put numbers or formulas in for symbols.

        Parameters
        ----------
        **values : int, float, Fraction, str or sympy.Expr
            By symbol: ``n_routed_experts=128``, ``text_tokens="image_tokens/2"``. A symbol that is put in twice
            has the later value. In a value, other symbols stand for what the new model has for them; the symbol
            itself is the free one, so that ``batch="2*batch"`` doubles whatever the batch will be.

        Returns
        -------
        Model
            A new model. The order of calls does not matter but for symbols that are put in twice.

        Raises
        ------
        UserError
            If a symbol is unknown, a number is not allowed, or values need one another.
        """
        new = {name: read_override(self.definition, name, value) for name, value in values.items()}
        overrides = dict(self.overrides) | new
        spelled_out(overrides)
        return evolve(self, overrides=tuple(sorted(overrides.items())))

    def compile(
        self,
        metrics: str | Sequence[str],
        over: str | Sequence[str],
        *,
        workload: str | None = None,
        gpu: str | None = None,
        settings: Mapping[str, Exact] | None = None,
        by: str | Sequence[str] = "stage",
        backend: Backend = "numpy",
        check: bool = True,
        waived: Iterable[str] = (),
        threads: int | None = None,
    ) -> Compiled:
        """Make a fast function of a few symbols.

        Parameters
        ----------
        metrics : str or sequence of str
            Names of the registry.
        over : str or sequence of str
            The function's arguments: any symbols of the model. Derived symbols (``prompt_tokens``, ...) follow
            from their formulas unless they are named here or in ``settings``.
        workload : str, optional
            Name or file of what gives all other workload symbols their values; the model's default if left out.
        gpu : str, optional
            Name or file of the machine; the model's default if left out.
        settings : mapping of str to number, optional
            Values of further symbols, as ``--set`` gives them.
        by : str or sequence of str
            ``"stage"`` for every stage and ``total``, ``"total"``, the path of a part, or several of them.
        backend : str
            ``"numpy"`` for numpy arrays, ``"torch"`` for tensors on whatever device they lie, ``"c"`` for numpy arrays
            too, through a C compiler: the same numbers to the last bit, sooner where many random points are asked for.
        check : bool
            Whether the function checks the model's rules; the range of every argument is checked in any case.
        waived : iterable of str
            Switches that lift rules: ``["allow_any_grid"]``.
        threads : int, optional
            Threads over blocks of numpy arrays; one per core if left out.

        Returns
        -------
        Compiled
            See :class:`~dsocr_symbolic.evaluation.compiled.Compiled` for what it takes and returns.

        Raises
        ------
        UserError
            If a name is unknown, a value is not allowed, a metric does not exist for a part, or a rule is
            broken whatever the arguments are.
        """
        named = self.definition.default_workload if workload is None else workload
        asked: dict[str, Any] = {
            "inputs": _listed(over),
            "overrides": dict(self.overrides),
            "defaults": {**dict(self.config), **load_workload(self.definition, named).values},
            "settings": settings or {},
            "options": dict(self.options),
            "gpu": load_gpu(self.definition.default_gpu if gpu is None else gpu),
        }
        of: dict[str, Any] = {
            "metrics": _listed(metrics),
            "parts": [*self.stage_names, TOTAL] if by == "stage" else _listed(by),
            "overridden": [name for name, _ in self.overrides],
            "waived": frozenset(waived),
            "check": check,
        }
        # All that it is made of besides the formulas.
        said = f"compiled {asked} {of | {'waived': sorted(of['waived'])}}"
        return compile_outputs(
            self.definition,
            lambda metric, path: part_expression(self, "" if path == TOTAL else path, metric),
            binding=bind(self.definition, **asked),
            backend=backend,
            threads=threads,
            keep=lambda make: made_once(self.definition, self.options, said, make),
            **of,
        )


@frozen(kw_only=True, repr=False)
class Part(Written):
    """A node of a model, or the whole; every metric of the registry is an attribute.

    Attributes
    ----------
    model, path : Model, str
        Whose part it is, and where it stands: ``"prefill/layers.1-11/mlp"``; empty for the whole.
    """

    model: Model
    path: str

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the tree that it stands for: one, or all stages."""
        return self.model.whole.nodes[self.path]

    @property
    def children(self) -> tuple["Part", ...]:
        """The parts directly below, in order of execution."""
        nodes = self.nodes[0].children if self.path else self.nodes
        return tuple(Part(model=self.model, path="/".join(node.path)) for node in nodes)

    @property
    def calls(self) -> Expr:
        """Calls in the whole workload, steps included, as a sympy expression."""
        calls = total_calls(self.nodes[0]) if self.path else 1
        return sympy.sympify(calls).xreplace(self.model.replacements)

    def metric(self, name: str) -> Expr:
        """Return a metric by name.

        Parameters
        ----------
        name : str
            A name of the registry.

        Returns
        -------
        sympy.Expr
            The expression; every symbol is free that nothing was put in for.

        Raises
        ------
        UserError
            If the metric is unknown, or does not exist for this part.
        """
        return part_expression(self.model, self.path, name).xreplace(self.model.replacements)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in load_metrics():
            own = [attribute for attribute in dir(type(self)) if not attribute.startswith("_")]
            raise AttributeError(f"unknown metric '{name}': {nearest(name, [*load_metrics(), *own])}")
        return self.metric(name)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *load_metrics()]


def part_expression(model: Model, path: str, metric: str) -> Expr:
    """Return a metric of a part before anything is put in; variations of a model share it."""
    known_metric(metric)
    return expression_at(model.definition, model.options, model[path].path, metric)


def _listed(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
