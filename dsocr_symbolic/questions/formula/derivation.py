"""Show a number's way: the formula, the numbers put in, the result."""

from typing import Any

import sympy

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import layer_definition
from dsocr_symbolic.language.registry import known_metric, load_metrics
from dsocr_symbolic.network.fold import needs_details, of_training
from dsocr_symbolic.network.leaves import Whole, metric_expression
from dsocr_symbolic.network.model_tree import model_tree, stage_guards
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.questions.question import of_scenario
from dsocr_symbolic.scenario.scenario import Scenario, of_layer, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots
from dsocr_symbolic.writing.formula_text import as_numbers, as_text, collect
from dsocr_symbolic.writing.latex import as_latex
from dsocr_symbolic.writing.terminal import hung, wrapped

# Kinds whose formula of many operators is a book, and what they do with these.
_LONG = {"time": "Summed over", "ratio": "Of", "bound": "Of phases of", "latency": "Of stages of"}
_LONG |= dict.fromkeys(("peak", "memory"), "The largest of moments at")


def derive(scenario: Scenario, path: str, metric: str, output: str) -> tuple[str, tuple[str, ...]]:
    """Derive one metric of a node's path, ``total`` or a layer, as ``text`` or ``latex``; return warnings, too."""
    metrics = load_metrics()
    training = of_training(known_metric(metric))
    slots = chosen_slots(scenario.definition, scenario.options)
    stages = model_tree(scenario.definition, slots, training=training)
    nodes = _nodes(stages, path)
    if not nodes:
        try:
            definition = layer_definition(scenario.definition, path)
        except UserError as error:
            known = ["total", *("/".join(node.path) for node in walk(stages)), *load_library().formulas]
            raise UserError(f"unknown node or layer '{path}': {nearest(path, known)}") from error
        scenario = of_layer(scenario, definition)
        nodes = stages = model_tree(definition, slots, training=training)
    expression = metric_expression(nodes, metric, Whole(definition=scenario.definition, stages=stages))
    about = of_scenario(scenario).heading(metric)
    head = hung(f"{path}: {metric} [{metrics[metric].unit}], {metrics[metric].definition}")
    head = "\n  ".join([head, *wrapped(about)])
    if expression is None:
        return f"{head}\n{hung(f'  null: {metrics[metric].reason}')}\n", ()
    values = scenario_values(scenario)
    if refusal := values.claims.refusal(metric, scenario.gpu.name):
        return f"{head}\n{hung(f'  null: {refusal}')}\n", values.warnings
    # Whether its stage runs at all is decided: what is printed is what it then costs.
    expression = sympy.sympify(expression).xreplace(stage_guards(scenario.definition, values.numbers))
    result = _result(scenario, path, metric)
    if result is None:
        return f"{head}\n  null: {metrics[metric].reason}\n", values.warnings
    if metrics[metric].kind in _LONG and len(nodes[0].children) > 0:
        operators = sum(node.launch is not None for node in walk(nodes))
        summed = f"{_LONG[metrics[metric].kind]} {operators} operators; ask for one of them to see its formula."
        return f"{head}\n= {result} {metrics[metric].unit}\n{hung(f'  {summed}')}\n", values.warnings
    if output == "latex":
        letters = {name: quantity.letter for name, quantity in scenario.definition.quantities.items()}
        said = f"% {about}\n{metrics[metric].latex} = {as_latex(expression, letters)} = {result}\n"
        return said, values.warnings
    used = {str(symbol) for symbol in collect(expression).free_symbols}
    numbers = {name: arithmetic.whole(values.numbers[name]) for name in used if name in values.numbers}
    meanings = "".join(
        hung(f"    {name} = {numbers[name]}: {scenario.definition.quantities[name].meaning}") + "\n"
        for name in sorted(numbers)
    )
    steps = f"  {as_text(expression)}\n= {as_numbers(expression, numbers)}\n= {result} {metrics[metric].unit}\n"
    return f"{head}\n{steps}  where\n{meanings}", values.warnings


def refuse_workload(scenario: Scenario, path: str) -> None:
    """Raise where a workload is named for what is no part of the network: a layer alone has none."""
    slots = chosen_slots(scenario.definition, scenario.options)
    stages = model_tree(scenario.definition, slots, training=False)
    if not _nodes(stages, path) and scenario.workload is not None:
        raise UserError(f"{path} is one layer alone: it has no --workload; drop it, or --set its symbols")


def _nodes(stages: tuple[Node, ...], path: str) -> tuple[Node, ...]:
    """Return the node of a path, or all stages."""
    if path in ("", "total"):
        return stages
    return tuple(node for node in walk(stages) if "/".join(node.path) == path.strip("/"))


def _result(scenario: Scenario, path: str, metric: str) -> Any:
    """Take the result from the compiled program, so that the page and the totals are one."""
    result = answer(scenario, details=needs_details(known_metric(metric)))
    for node in result.nodes:
        if node.row.path == path.strip("/"):
            return node.metrics[metric]
    return result.total[metric]
