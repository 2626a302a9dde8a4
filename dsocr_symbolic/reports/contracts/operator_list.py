"""The classes that a model of the network must cover, as the files of the static analysis list them."""

import json
from os.path import relpath
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.reports.contracts import constraints as must
from dsocr_symbolic.reports.contracts.conversion import NO_HASH, content_hash
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION, SchemaVersion
from dsocr_symbolic.reports.contracts.module_nodes import default_categories
from dsocr_symbolic.verification.torchinfo.naming import is_torch_builtin, public_name

LAYERS_MD, LAYERS_JSON, STAGES_JSON = "unique-layers.md", "unique-layers.json", "stages.json"
_LIBRARIES = ("torch.", "transformers.")


@frozen(kw_only=True)
class OperatorSpec:
    """A class of the network.

    Attributes
    ----------
    class_name : str
        Its bare name.
    class_name_qualified : str
        Its name in the network's own code, in transformers or in torch.
    is_pytorch_builtin : bool
        Whether PyTorch brings it.
    is_custom : bool
        Whether the checkpoint's own code brings it; a class of transformers is neither.
    children_classes : list of str
        Qualified names of the classes directly below.
    default_category_id : str or None
        Category in which its own operators spend most of their time; null where it launches none itself.
    """

    class_name: str = field(**must.IDENTIFIER)
    class_name_qualified: str = field(**must.IDENTIFIER)
    is_pytorch_builtin: bool = field(**must.FLAG)
    is_custom: bool = field(**must.FLAG)
    children_classes: tuple[str, ...] = field(**must.many(must.IDENTIFIER))
    default_category_id: str | None = field(**must.nullable(must.IDENTIFIER))


@frozen(kw_only=True)
class TargetOperatorList:
    """Every class of the network, and the files that say so.

    Attributes
    ----------
    schema_version : int
        Version of this contract.
    snapshot_id : str
        First 16 hex digits of the SHA-256 of the list without this field, as JSON with sorted keys and no spaces.
    source_artifact_dir : str
        Folder of the static analysis, relative to the list's file.
    layers_md_path : str
        Its table of unique layers for people, relative to the list's file.
    layers_json_path : str
        The same for programs, relative to the list's file.
    stages_json_path : str
        Its calls by stage, relative to the list's file.
    operators : list of OperatorSpec
        By qualified name.
    """

    schema_version: SchemaVersion = field(**must.one_of(SchemaVersion))
    snapshot_id: str = field(**must.CONTENT_HASH)
    source_artifact_dir: str = field(**must.RELATIVE_PATH)
    layers_md_path: str = field(**must.RELATIVE_PATH)
    layers_json_path: str = field(**must.RELATIVE_PATH)
    stages_json_path: str = field(**must.RELATIVE_PATH)
    operators: tuple[OperatorSpec, ...] = field(**must.many(must.instance(OperatorSpec)))


def make_operator_list(analysis: Path, result: Estimate, *, folder: Path) -> TargetOperatorList:
    """List the classes of the network, with the hash of the list as its id.

    ``analysis`` is the folder that ``dsocr torchinfo --out`` wrote; it is written now, which needs torch, if its files
    are not there. Times of ``result`` decide the category of a class; paths are relative to ``folder``.
    """
    if not all((analysis / name).is_file() for name in (LAYERS_MD, LAYERS_JSON, STAGES_JSON)):
        from dsocr_symbolic.verification.torchinfo.run import run

        run(analysis)
    below = Path(relpath(analysis.resolve(), folder.resolve()))
    categories = default_categories(result)
    path = analysis / LAYERS_JSON
    try:
        layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
        operators = TargetOperatorList(
            schema_version=SCHEMA_VERSION,
            snapshot_id=NO_HASH,
            source_artifact_dir=below.as_posix(),
            layers_md_path=(below / LAYERS_MD).as_posix(),
            layers_json_path=(below / LAYERS_JSON).as_posix(),
            stages_json_path=(below / STAGES_JSON).as_posix(),
            operators=tuple(_operator(layer, categories) for layer in layers),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path}: no list of layers; run dsocr torchinfo --out {analysis} to write it anew") from error
    return evolve(operators, snapshot_id=content_hash(operators, "snapshot_id"))


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
