"""Join conditions of 1 and 0, in any algebra."""

from collections.abc import Iterable
from typing import Any

from dsocr_symbolic.tree import Storage, Value

Found = dict[Storage, Any]


def either(conditions: Iterable[Any]) -> Any:
    """Return 1 if any condition is 1, else 0."""
    distinct = list(dict.fromkeys(each for each in conditions if each != 0))
    if not distinct:
        return 0
    if len(distinct) == 1 or 1 in distinct:
        return 1 if 1 in distinct else distinct[0]
    opposite: Any = 1
    for each in distinct:
        opposite = opposite * (1 - each)
    return 1 - opposite


def of_storages(values: Iterable[Value]) -> Found:
    """Return each storage of some values with the condition that any of them stands for it."""
    found: dict[Storage, list[Any]] = {}
    for value in values:
        for condition, storage in value:
            found.setdefault(storage, []).append(condition)
    return {storage: either(conditions) for storage, conditions in found.items()}
