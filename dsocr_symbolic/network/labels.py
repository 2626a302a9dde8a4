"""Names of rows as the numbers have them: of three layers, ``layers.1-2`` where the default says ``layers.1-11``."""

from collections.abc import Mapping, Sequence

from dsocr_symbolic.network.rows import FIRST, LAST, Leaves


def labels_of(leaves: Leaves) -> Sequence[tuple[str | None, str | None]]:
    """Path and module of each row with the numbers that its name has here; None where there is no such module."""
    rows, columns = leaves.rows, leaves.columns
    labels: list[tuple[str | None, str | None]] = []
    renamed: list[Mapping[str, str]] = []
    for row, first, last in zip(rows, columns[FIRST], columns[LAST], strict=True):
        above, names = (labels[row.parent][0], renamed[row.parent]) if row.parent >= 0 else ("", {})
        name = row.path.rpartition("/")[2]
        own = _numbered(row.stem, first, last) if row.stem else name
        renamed.append(names if own is None or own == name else {**names, name: own})
        if own is None or above is None:
            labels.append((None, None))
            continue
        module = row.module
        for before, here in renamed[-1].items():
            module = module and f"{module}.".replace(f".{before}.", f".{here}.")[:-1]
        labels.append((f"{above}/{own}".lstrip("/"), module))
    return labels


def _numbered(stem: str, first: int, last: int) -> str | None:
    """Name what is numbered from first to last; None if that is nothing."""
    if last < first:
        return None
    return f"{stem}{first}" if first == last else f"{stem}{first}-{last}"
