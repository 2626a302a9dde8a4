"""The classes that a model of the network must cover, as static analysis finds them."""

from attrs import define, field

from dsocr_symbolic.reports.contracts.constraints import (
    CONTENT_HASH,
    FLAG,
    IDENTIFIER,
    RELATIVE_PATH,
    instance,
    many,
    nullable,
    one_of,
)
from dsocr_symbolic.reports.contracts.model_report import SchemaVersion


@define(kw_only=True, frozen=True)
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

    class_name: str = field(**IDENTIFIER)
    class_name_qualified: str = field(**IDENTIFIER)
    is_pytorch_builtin: bool = field(**FLAG)
    is_custom: bool = field(**FLAG)
    children_classes: tuple[str, ...] = field(**many(IDENTIFIER))
    default_category_id: str | None = field(**nullable(IDENTIFIER))


@define(kw_only=True, frozen=True)
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

    schema_version: SchemaVersion = field(**one_of(SchemaVersion))
    snapshot_id: str = field(**CONTENT_HASH)
    source_artifact_dir: str = field(**RELATIVE_PATH)
    layers_md_path: str = field(**RELATIVE_PATH)
    layers_json_path: str = field(**RELATIVE_PATH)
    stages_json_path: str = field(**RELATIVE_PATH)
    operators: tuple[OperatorSpec, ...] = field(**many(instance(OperatorSpec)))
