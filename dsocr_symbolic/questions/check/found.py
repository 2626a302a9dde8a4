"""Which files there are to check, and which kind of file each of them is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import is_ours, user_folders

# Where files of a kind lie below a folder of DSOCR_PATH.
PLACES = {
    "operator": "formulas/operators",
    "layer": "formulas/layers",
    "model": "formulas/models",
    "bounds": "formulas/bounds",
    "gpu": "hardware",
}
# Kinds that other files find by name, and only there.
CALLED = ("operator", "layer", "bounds")
# A key that a file of a kind has, and no file of those below it; what has none of them is a scenario.
_KEYS = (
    ("model", "constants"),
    ("operator", "aten"),
    ("operator", "members"),
    ("layer", "children"),
    ("bounds", "bounds"),
    ("budget", "assertions"),
    ("gpu", "numbers"),
    ("workload", "set"),
)
_SUFFIXES = (".yaml", ".yml")
CONFIG = ".json"


@frozen(kw_only=True)
class FoundFile:
    """A file that is to be checked.

    Attributes
    ----------
    path, kind, root : Path, str, Path or None
        The file; one of PLACES, ``workload``, ``scenario``, ``config`` or ``""``; the folder that it is laid out in.
    wrong : str
        Why no verb would read it; empty where one does.
    """

    path: Path
    kind: str
    root: Path | None
    wrong: str = ""


def files_to_check(named: Iterable[Path]) -> list[FoundFile]:
    """Return the files that are named, those of folders that are, or all of DSOCR_PATH; a UserError where none is."""
    named = list(named)
    for path in named:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if path.is_file() and path.suffix not in (*_SUFFIXES, CONFIG):
            raise UserError(f"{path}: only YAML files are checked, and a config.json; names end in .yaml or .json")
    if not named and not user_folders():
        raise UserError("check: nothing to check, for DSOCR_PATH is not set and no FILE is named; give one of them")
    paths = dict.fromkeys(path for start in named or user_folders() for path in _inside(start))
    if not paths:
        where = ", ".join(map(str, named or user_folders()))
        raise UserError(f"check: no YAML file in {where}; files lie in {', '.join(sorted(PLACES.values()))}")
    return [_found(path, by_name=path in named) for path in paths]


def _inside(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    else:
        yield from sorted(path for path in start.rglob("*") if path.suffix in _SUFFIXES and path.is_file())


def _found(path: Path, *, by_name: bool) -> FoundFile:
    """Say what a file is: by where it lies, else by its keys."""
    if path.suffix == CONFIG:
        return FoundFile(path=path, kind="config", root=None)
    whole = path.resolve()
    for kind, place in PLACES.items():
        depth = len(Path(place).parts)
        for above in whole.parents:
            if above.parts[-depth:] == Path(place).parts:
                wrong = "" if path.suffix == ".yaml" else f"{path}: is read by no verb; let its name end in .yaml"
                return FoundFile(path=path, kind=kind, root=above.parents[depth - 1], wrong=wrong)
    if "formulas" in whole.parts[:-1] and not is_ours(path):
        places = ", ".join(sorted(PLACES.values()))
        return FoundFile(path=path, kind="", root=None, wrong=f"{path}: is read by no verb; a user's lie in {places}")
    try:
        raw = read_yaml(path)
    except UserError as error:
        return FoundFile(path=path, kind="", root=None, wrong=str(error))
    keys = raw if isinstance(raw, dict) else {}
    kind = next((kind for kind, key in _KEYS if key in keys), "scenario")
    lost = kind == "bounds" or (kind in CALLED and not by_name)
    wrong = f"{path}: is read by no verb there; move it to {PLACES[kind]} of a folder of DSOCR_PATH" if lost else ""
    return FoundFile(path=path, kind=kind, root=None, wrong=wrong)
