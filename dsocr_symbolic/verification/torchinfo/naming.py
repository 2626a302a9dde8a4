"""Names: classes as the network's own code has them, their formula files, paths with ranges for indices."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from dsocr_symbolic.language.library import load_library

# Module of the reference -> module of the network's own code that holds the class of the same name.
HOMES: Mapping[str, str] = {
    "sam": "deepencoder",
    "clip": "deepencoder",
    "deepseek_v2": "modeling_deepseekv2",
    "deepseek_ocr": "modeling_deepseekocr",
    "llama": "transformers.models.llama.modeling_llama",
}
_REFERENCE = "dsocr_symbolic.verification.reference."


def qualified_name(kind: type) -> str:
    """Name a class as the network's own code does: ``deepencoder.Block``, ``torch.nn.modules.linear.Linear``."""
    home, last = kind.__module__, kind.__module__.rpartition(".")[2]
    if home.startswith(_REFERENCE):
        home = HOMES.get(last, home)
    elif last in HOMES.values():
        # Remote code is imported under a package named after its snapshot.
        home = last
    return f"{home}.{kind.__name__}"


def class_name(qualified: str) -> str:
    """Return the last part of a qualified name."""
    return qualified.rpartition(".")[2]


def is_torch_builtin(qualified: str) -> bool:
    """Say whether PyTorch brings the class."""
    return qualified.startswith("torch.")


def public_name(qualified: str) -> str:
    """Shorten a class of torch to the name that users import, as formula files do."""
    return f"torch.nn.{class_name(qualified)}" if qualified.startswith("torch.nn.") else qualified


def formula_files() -> dict[str, tuple[str, ...]]:
    """Map every class that a formula file names to the files, as paths from the folder ``formulas`` on."""
    files: dict[str, list[str]] = {}
    for formula in load_library().formulas.values():
        if formula.class_name:
            files.setdefault(formula.class_name, []).append(_short(formula.file))
    return {name: tuple(sorted(paths)) for name, paths in files.items()}


def _short(file: str) -> str:
    """Drop what differs between machines."""
    _, folder, below = f"/{Path(file).as_posix()}".rpartition("/formulas/")
    return f"formulas/{below}" if folder else Path(file).name


def place(path: str) -> str:
    """Replace the indices of a dotted path by ``*``."""
    return ".".join("*" if part.isdigit() else part for part in path.split("."))


def with_ranges(paths: Iterable[str]) -> tuple[str, ...]:
    """Write paths that differ in their indices only as one, without losing any: ``layers.1-11.mlp.experts.0-63``.

    They come in the order of their first path.
    """
    groups: dict[str, set[tuple[int, ...]]] = {}
    for path in paths:
        groups.setdefault(place(path), set()).add(tuple(int(part) for part in path.split(".") if part.isdigit()))
    return tuple(_filled(shape, box) for shape, indices in groups.items() for box in _boxes(indices))


def _filled(shape: str, box: tuple[str, ...]) -> str:
    values = iter(box)
    return ".".join(next(values) if part == "*" else part for part in shape.split("."))


def _boxes(indices: Iterable[tuple[int, ...]]) -> list[tuple[str, ...]]:
    """Cut a set of index tuples into products of ranges."""
    rest: dict[int, set[tuple[int, ...]]] = {}
    for index in indices:
        if not index:
            return [()]
        rest.setdefault(index[0], set()).add(index[1:])
    alike: dict[frozenset[tuple[int, ...]], list[int]] = {}
    for first in sorted(rest):
        alike.setdefault(frozenset(rest[first]), []).append(first)
    return [(_ranges(firsts), *box) for tails, firsts in alike.items() for box in _boxes(tails)]


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
