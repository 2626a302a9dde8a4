"""A network as every verb takes it: examples of a user's files hold, and weights that count twice are warned of."""

from collections.abc import Iterable
from pathlib import Path

from attrs import evolve

from dsocr_symbolic.evaluation.program import recalled
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import ZERO
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.paths import data_files, has_more_files, is_ours

_FOLDERS = ("formulas/operators", "formulas/layers")


def load_network(name: str | None = None, words: Iterable[str] = (), config: str | Path | None = None) -> Definition:
    """Load a model by name or path; without one that of a config.json, without both DeepSeek-OCR.

    Of a user's files those that it can call, and those that words name, must have examples that hold: a UserError
    otherwise. That is worked out once for each content of the files.
    """
    of_config = config if name is None else None
    definition = default_definition(name) if of_config is None else _of_config(of_config)
    if not has_more_files() and is_ours(definition.file):
        return definition
    own = {name for kind in _FOLDERS for name, path in data_files(kind).items() if not is_ours(path)}
    if not own and is_ours(definition.file):
        return definition
    named = sorted(own & {word.rpartition("/")[2].rpartition("=")[2] for word in words})
    models = own_models()

    def work_out() -> list[str]:
        from dsocr_symbolic.evaluation.examples import check_used, counted_twice

        check_used(definition, named, models)
        return counted_twice(definition)

    said = recalled(definition, [*named, *models], work_out)
    return evolve(definition, warnings=(*definition.warnings, *(Rule(require=ZERO, say=line) for line in said)))


def own_models() -> list[Path]:
    """Return the model files of a user's folders."""
    return [path for path in data_files("formulas/models").values() if not is_ours(path)]


def _of_config(config: str | Path) -> Definition:
    from dsocr_symbolic.scenario.config_files import find_config
    from dsocr_symbolic.scenario.configs import find_network

    return find_network(find_config(config))
