"""A model, its parts and its functions in words: a line each, a page of each for a notebook."""

from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.model import Model, Part
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.writing.formula_text import as_text
from dsocr_symbolic.writing.latex import as_latex, width
from dsocr_symbolic.writing.notebook import MathBlock, Page, TextGrid

_METRIC = "forward_tensor_core_flops"
# A formula wider than this, in ex, is a book: four of the network's 775.
_WIDEST = 300


def line(thing: Model | Part | Compiled) -> str:
    """Say in one line what it is, of a model what differs from the default."""
    match thing:
        case Part(model=model, path=path):
            return f"{path or 'the whole'} of {line(model)}"
        case Compiled():
            parts = dict.fromkeys(output.part for output in thing.outputs)
            metrics = dict.fromkeys(output.metric for output in thing.outputs)
            over = f" over {', '.join(thing.inputs)}" if thing.inputs else ""
            return f"{thing.definition.name}: {', '.join(metrics)}{over}, {_count(len(parts), 'part')}, {thing.backend}"
        case Model():
            return ", ".join([thing.definition.name, *_chosen(thing), *_put_in(thing)])


def page(thing: Model | Part | Compiled) -> Page:
    """Say on a page what it is and what can be asked of it."""
    match thing:
        case Part():
            blocks = _part_blocks(thing)
        case Compiled():
            blocks = _compiled_blocks(thing)
        case Model(definition=definition):
            return Page(head=f"{definition.name}: {definition.summary}", blocks=_model_blocks(thing))
    return Page(head=line(thing), blocks=blocks)


def formula(part: Part) -> str:
    """Return the part's Tensor Core FLOPs in LaTeX, the name alone where the formula is too wide to read."""
    letters = {name: quantity.letter for name, quantity in part.model.definition.quantities.items()}
    name = load_metrics()[_METRIC].latex
    latex = as_latex(part.metric(_METRIC), letters)
    return f"{name} = {latex}" if width(latex) <= _WIDEST else rf"{name} = \sum_{{\text{{children}}}} {name}"


def _chosen(model: Model) -> list[str]:
    choices = model.definition.choices
    return [f"{name} {option}" for name, option in model.options if option != choices[name].default]


def _put_in(model: Model) -> list[str]:
    sizes = [f"{_count(len(model.config), 'size')} of a config.json"] if model.config else []
    return [*sizes, *(f"{symbol} = {as_text(value)}" for symbol, value in model.overrides)]


def _model_blocks(model: Model) -> tuple[str | MathBlock | TextGrid, ...]:
    choices = [(name, option, model.definition.choices[name].summary) for name, option in model.options]
    stages = [("/".join(node.path), node.formula.summary, str(sum(1 for _ in walk((node,))))) for node in model.stages]
    put_in = _put_in(model)
    return (
        *([f"Put in: {', '.join(put_in)}"] if put_in else []),
        TextGrid(columns=("stage", "what", "parts"), rows=tuple(stages)),
        TextGrid(columns=("choice", "option", "what"), rows=tuple(choices)),
    )


def _part_blocks(part: Part) -> tuple[str | MathBlock | TextGrid, ...]:
    if part.path:
        about = part.nodes[0].formula
        what = [about.summary, *([f"class {about.class_name}"] if about.class_name else [])]
    else:
        what = [part.model.definition.summary]
    below = [child.path.rpartition("/")[2] for child in part.children]
    what += [f"calls: {as_text(part.calls)}", *([f"parts below: {', '.join(below)}"] if below else [])]
    return "; ".join(what), MathBlock(latex=formula(part))


def _compiled_blocks(function: Compiled) -> tuple[str | MathBlock | TextGrid, ...]:
    registry, quantities = load_metrics(), function.definition.quantities
    parts: dict[str, list[str]] = {}
    for output in function.outputs:
        parts.setdefault(output.metric, []).append(output.part)
    inputs = tuple((name, quantities[name].meaning) for name in function.inputs)
    metrics = tuple((name, registry[name].unit, ", ".join(paths)) for name, paths in parts.items())
    return TextGrid(columns=("argument", "meaning"), rows=inputs), TextGrid(
        columns=("metric", "unit", "parts"), rows=metrics
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
