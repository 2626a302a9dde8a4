"""From the files of the static analysis to a TargetOperatorList."""

import json
from os.path import relpath
from pathlib import Path
from typing import Any

from attrs import evolve

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.reports.contracts.conversion import content_hash
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION
from dsocr_symbolic.reports.contracts.operator_categories import default_categories
from dsocr_symbolic.reports.contracts.operator_list import OperatorSpec, TargetOperatorList
from dsocr_symbolic.verification.torchinfo.naming import is_torch_builtin, public_name

LAYERS_MD, LAYERS_JSON, STAGES_JSON = "unique-layers.md", "unique-layers.json", "stages.json"


_NO_ID = "0" * 16


_LIBRARIES = ("torch.", "transformers.")


def make_operator_list(analysis: Path, result: Estimate, *, folder: Path) -> TargetOperatorList:
    """List the classes of the network.

    Parameters
    ----------
    analysis : Path
        Folder that ``dsocr torchinfo --out`` wrote; written now, which needs torch, if its files are not there.
    result : Estimate
        Of the whole network; its times decide the category of a class.
    folder : Path
        Where the list will lie; its paths are relative to that.

    Returns
    -------
    TargetOperatorList
        With the hash of its content as id.

    Raises
    ------
    UserError
        If the analysis is not there and cannot be made, or its files are damaged.
    """
    if not all((analysis / name).is_file() for name in (LAYERS_MD, LAYERS_JSON, STAGES_JSON)):
        from dsocr_symbolic.verification.torchinfo.run import run

        run(analysis)
    below = Path(relpath(analysis.resolve(), folder.resolve()))
    categories = default_categories(result)
    path = analysis / LAYERS_JSON
    try:
        layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
        found = TargetOperatorList(
            schema_version=SCHEMA_VERSION,
            snapshot_id=_NO_ID,
            source_artifact_dir=below.as_posix(),
            layers_md_path=(below / LAYERS_MD).as_posix(),
            layers_json_path=(below / LAYERS_JSON).as_posix(),
            stages_json_path=(below / STAGES_JSON).as_posix(),
            operators=tuple(_operator(layer, categories) for layer in layers),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path}: no list of layers; run dsocr torchinfo --out {analysis} to write it anew") from error
    return evolve(found, snapshot_id=content_hash(found, "snapshot_id"))


def _operator(layer: dict[str, Any], categories: dict[str, str]) -> OperatorSpec:
    name = layer["class_name_qualified"]
    return OperatorSpec(
        class_name=layer["class_name"],
        class_name_qualified=name,
        is_pytorch_builtin=is_torch_builtin(name),
        is_custom=not name.startswith(_LIBRARIES),
        children_classes=tuple(layer["children"]),
        default_category_id=categories.get(public_name(name)),
    )
