"""Parts of model files: choices and their options, named workloads, a server, what is not counted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.schema import (
    BLANK,
    FORMULA,
    NAMES,
    PROSE,
    TEXT,
    entry,
    of_symbols,
    structure,
    table,
)
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.records import frozen


@frozen(kw_only=True)
class Option:
    """One option of a choice."""

    slots: Mapping[str, str] = entry("formulas for slots", default=BLANK)
    symbols: Mapping[str, Expression] = entry("values for symbols", of_symbols(table(FORMULA)), default=BLANK)
    gpu: Mapping[str, tuple[str, ...]] = entry("GPU numbers for symbols of the machine", table(NAMES), default=BLANK)
    choices: Mapping[str, str] = entry(
        "options of other choices, each where nobody chooses another one there", table(TEXT), default=BLANK
    )
    documents: Mapping[str, Expression] = entry(
        "values for symbols of the workload where a document's pages are read and nobody sets them",
        of_symbols(table(FORMULA)),
        default=BLANK,
    )


@frozen(kw_only=True)
class Choice:
    """A choice on the command line."""

    summary: str = entry("what is chosen")
    default: str = entry("the option that holds unless another is chosen")
    options: Mapping[str, Option] = entry("options by name")

    def __attrs_post_init__(self) -> None:
        """Refuse a default that is no option."""
        if self.default not in self.options:
            raise UserError(f"default: '{self.default}' is none of {', '.join(self.options)}")


@frozen(kw_only=True)
class Workload:
    """A named workload; one that a user wrote down has a file."""

    name: str
    summary: str = entry("what it is", default="")
    document: Literal["crop", "native"] = entry(
        "what a page becomes: a view and pieces of it, or a view", default="crop"
    )
    values: Mapping[str, int | float] = entry("values for symbols", key="set", default=BLANK)
    file: str = ""


def workload_file(path: Path) -> Workload:
    """Read a workload that has a file of its own."""
    return structure(Workload, read_yaml(path), str(path), name=path.stem, file=str(path))


@frozen(kw_only=True)
class Uncounted:
    """Metrics that a model file does not claim to count."""

    metrics: tuple[str, ...] = entry("names of the registry")
    because: str = entry("why they are not counted", PROSE)


@frozen(kw_only=True)
class Server:
    """How a network is served; formulas/server.yaml says what a server holds then."""

    forward: Mapping[str, Expression] = entry("symbols of its largest forward", of_symbols(table(FORMULA)))
