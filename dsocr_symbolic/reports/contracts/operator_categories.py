"""Categories of operators, and the one that a class belongs to."""

from collections.abc import Mapping

from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.reports.contracts.model_report import OperatorCategory

_NONE = "other"


def category_id(category: str | None) -> str:
    """Return the id of a category; an operator without one is counted under ``other``."""
    return (category or _NONE).replace(" ", "_")


def default_categories(result: Estimate) -> dict[str, str]:
    """Find the category in which the own operators of each class spend most of their time.

    Parameters
    ----------
    result : Estimate
        Of the whole network.

    Returns
    -------
    dict of str to str
        Class -> category id; classes that launch nothing themselves are left out. An operator is the own one of the
        class that it is, else of the nearest class above it.
    """
    nodes = result.nodes
    times: dict[str, dict[str, float]] = {}
    for node in nodes:
        row = node.row
        if not row.aten or not node.calls:
            continue
        owner = row
        while not owner.class_name and owner.parent:
            owner = nodes[owner.parent - 1].row
        if owner.class_name:
            own = times.setdefault(owner.class_name, {})
            category = category_id(row.category)
            own[category] = own.get(category, 0.0) + float(node.metrics["roofline_s"])
    return {name: max(own, key=own.__getitem__) for name, own in times.items()}


def operator_categories(result: Estimate) -> tuple[OperatorCategory, ...]:
    """Describe every category by what the network counts there.

    Parameters
    ----------
    result : Estimate
        Of the whole network.

    Returns
    -------
    tuple of OperatorCategory
        In the order of the conventions.
    """
    classes = default_categories(result)
    kinds: dict[str, set[str]] = {}
    for node in result.nodes:
        if node.row.aten:
            kinds.setdefault(category_id(node.row.category), set()).add(node.row.layer.rpartition("/")[2])
    names = dict.fromkeys([*load_conventions().categories, _NONE])
    return tuple(_category(name, kinds, classes) for name in names)


def _category(name: str, kinds: Mapping[str, set[str]], classes: Mapping[str, str]) -> OperatorCategory:
    identifier = category_id(name)
    found = ", ".join(sorted(kinds.get(identifier, ())))
    return OperatorCategory(
        category_id=identifier,
        display_name=name.capitalize(),
        description=f"Operators: {found}." if found else "No operator of this network.",
        match_classes=tuple(sorted(each for each, own in classes.items() if own == identifier)),
    )
