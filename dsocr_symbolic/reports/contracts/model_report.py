"""The report of one workload: the network as a tree of modules, each with its cost."""

from typing import Literal

from attrs import field, frozen

from dsocr_symbolic.network.node import Repetition
from dsocr_symbolic.reports.contracts import constraints as must
from dsocr_symbolic.reports.contracts.constraints import Number

SchemaVersion = Literal[1]
SCHEMA_VERSION: SchemaVersion = 1
DocKind = Literal["text_heavy", "mixed_layout", "image_rich", "synthetic"]
Stage = Literal["vision", "projector", "prefill", "decode", "other"]


@frozen(kw_only=True)
class DeepSeekOCRModelSpec:
    """The network that a report is of.

    Attributes
    ----------
    model_id : str
        Repository of the checkpoint on the Hugging Face hub.
    model_variant : str
        Which version and size of the network it is.
    hf_revision : str or None
        Commit or tag of the checkpoint; null if the sizes are not tied to one.
    config_path : str or None
        The config.json that gave the sizes, relative to the report's file; null if they are those of the network file.
    hidden_size : int
        Width of the decoder [elements].
    intermediate_size : int
        Width of the decoder's dense feed-forward [elements].
    num_layers : int
        Decoder layers [count].
    num_attention_heads : int
        Attention heads of a decoder layer [count].
    vision_backbone : str
        Classes of the vision towers, in order of execution.
    uses_moe : bool
        Whether tokens are routed to experts.
    notes : str
        What a reader must know about the sizes.
    """

    model_id: str = field(**must.TEXT)
    model_variant: str = field(**must.TEXT)
    hf_revision: str | None = field(**must.nullable(must.REVISION))
    config_path: str | None = field(**must.nullable(must.RELATIVE_PATH))
    hidden_size: int = field(**must.SIZE)
    intermediate_size: int = field(**must.SIZE)
    num_layers: int = field(**must.SIZE)
    num_attention_heads: int = field(**must.SIZE)
    vision_backbone: str = field(**must.TEXT)
    uses_moe: bool = field(**must.FLAG)
    notes: str = field(**must.PROSE)


@frozen(kw_only=True)
class OCRWorkloadProfile:
    """What the network is asked to read.

    Attributes
    ----------
    profile_id : str
        Name of the workload.
    description : str
        The workload in words, and the values of its symbols.
    seq_len : int
        Tokens of a prompt, image tokens included [tokens].
    base_size : int or None
        Side of the global view [pixels]; null for a network that sees no page.
    image_size : int or None
        Side of a crop [pixels]; null for a network that sees no page.
    crop_mode : bool
        Whether crops are cut besides the global view.
    max_new_tokens : int
        Decode steps [tokens].
    doc_kind : str
        What the pages look like; no number depends on it.
    num_pages : int or None
        Pages read together, one request of the batch each [pages]; null for a network that sees no page.
    """

    profile_id: str = field(**must.IDENTIFIER)
    description: str = field(**must.TEXT)
    seq_len: int = field(**must.SIZE)
    base_size: int | None = field(default=None, **must.nullable(must.SIZE))
    image_size: int | None = field(default=None, **must.nullable(must.SIZE))
    crop_mode: bool = field(**must.FLAG)
    max_new_tokens: int = field(**must.WHOLE)
    doc_kind: DocKind = field(**must.one_of(DocKind))
    num_pages: int | None = field(default=None, **must.nullable(must.SIZE))


@frozen(kw_only=True)
class AnalyticModuleNode:
    """A module, a group of operators, or a launched operator, in its place in the network.

    Attributes
    ----------
    module_id : str
        Path of names from the stage down, joined by slashes; that of the whole network is the network's name.
    name : str
        Last part of the path.
    qualified_class_name : str or None
        Class in the network's own code or in torch; ``aten::NAME`` for an operator that is no module; null for a group.
    stage : str
        Stage of the network; ``other`` for the whole.
    parent_id : str or None
        The module above; null for the whole network.
    children : list of str
        The modules below, in order of execution.
    repetition : str
        ``for``: one after the other (layers, decode steps); ``parfor``: independent of each other (samples, experts);
        ``none``: at most once.
    repetition_count : int or float
        Calls in one call of the parent [calls]; fractional where it is an expected value.
    constructor_params : dict of str to number
        Values of the symbols of its formula, those of the last decode step where they grow with it [each symbol's own
        unit]; empty for the whole network, and if they were not asked for.
    """

    module_id: str = field(**must.IDENTIFIER)
    name: str = field(**must.IDENTIFIER)
    qualified_class_name: str | None = field(**must.nullable(must.IDENTIFIER))
    stage: Stage = field(**must.one_of(Stage))
    parent_id: str | None = field(**must.nullable(must.IDENTIFIER))
    children: tuple[str, ...] = field(**must.many(must.IDENTIFIER))
    repetition: Repetition = field(**must.one_of(Repetition))
    repetition_count: Number = field(**must.COUNT)
    constructor_params: dict[str, Number] = field(**must.table(must.ANY_NUMBER))


@frozen(kw_only=True)
class OperatorCategory:
    """A kind of work that launched operators are counted under.

    Attributes
    ----------
    category_id : str
        Its name in lower case, with underscores.
    display_name : str
        Its name in print.
    description : str
        The operators of the network that are counted here.
    match_classes : list of str
        Classes whose own operators spend most of their time here.
    """

    category_id: str = field(**must.IDENTIFIER)
    display_name: str = field(**must.TEXT)
    description: str = field(**must.TEXT)
    match_classes: tuple[str, ...] = field(**must.many(must.IDENTIFIER))


@frozen(kw_only=True)
class OperatorMetrics:
    """What the operators of one category cost in a module and everything below it.

    Attributes
    ----------
    category_id : str
        The category.
    calls : int or float
        Operators launched [launches].
    flops_tflops : float
        FLOPs on Tensor and CUDA cores, a count and not a rate [1e12 FLOP].
    io_tb : float
        Data that the launched operators read and write [1e12 bit].
    share_of_module_flops : float
        Part of the module's FLOPs [0 to 1]; 0 in a module without FLOPs.
    """

    category_id: str = field(**must.IDENTIFIER)
    calls: Number = field(**must.COUNT)
    flops_tflops: float = field(**must.AMOUNT)
    io_tb: float = field(**must.AMOUNT)
    share_of_module_flops: float = field(**must.SHARE)


@frozen(kw_only=True)
class ModuleMetricsSnapshot:
    """What a module costs in the whole workload, all its calls and everything below it included.

    Attributes
    ----------
    module_id : str
        The module.
    profile_id : str
        The workload.
    calls : int or float
        Calls in the whole workload [calls].
    total_time_ms : float
        The time that the report's notes name [milliseconds].
    total_flops_tflops : float
        FLOPs on Tensor and CUDA cores, a count and not a rate [1e12 FLOP].
    total_io_tb : float
        Data that the launched operators read and write [1e12 bit].
    memory_weights_gb : float
        Weights that its distinct modules own, once however often they run [1e9 byte].
    memory_activations_gb : float or None
        Peak of live activations inside one call [1e9 byte]; null while the engine does not count it.
    memory_kvcache_gb : float
        KV cache at its end [1e9 byte].
    share_of_model_time : float
        Part of the network's time [0 to 1]; the children of a module add up to it.
    operator_breakdown : list of OperatorMetrics
        By category, those with at least one launch; empty if it was not asked for.
    """

    module_id: str = field(**must.IDENTIFIER)
    profile_id: str = field(**must.IDENTIFIER)
    calls: Number = field(**must.COUNT)
    total_time_ms: float = field(**must.AMOUNT)
    total_flops_tflops: float = field(**must.AMOUNT)
    total_io_tb: float = field(**must.AMOUNT)
    memory_weights_gb: float = field(**must.AMOUNT)
    memory_activations_gb: float | None = field(**must.nullable(must.AMOUNT))
    memory_kvcache_gb: float = field(**must.AMOUNT)
    share_of_model_time: float = field(**must.SHARE)
    operator_breakdown: tuple[OperatorMetrics, ...] = field(**must.many(must.instance(OperatorMetrics)))


@frozen(kw_only=True)
class AnalyticModelReport:
    """A network, a workload, and what each module of the one costs in the other.

    Attributes
    ----------
    schema_version : int
        Version of this contract.
    report_id : str
        First 16 hex digits of the SHA-256 of the report without this field, as JSON with sorted keys and no spaces.
    model : DeepSeekOCRModelSpec
        The network.
    workload : OCRWorkloadProfile
        The workload.
    modules : list of AnalyticModuleNode
        A tree, parents before children, the whole network first.
    operator_categories : list of OperatorCategory
        What operators are counted under.
    module_metrics : list of ModuleMetricsSnapshot
        One for each module.
    profile_run_id : str or None
        The measured run to compare with; null if there is none.
    predicted_total_time_ms : float
        Time of the whole network; the notes say which time it is [milliseconds].
    measured_total_time_ms : float or None
        Time of the measured run [milliseconds].
    predicted_vs_measured_ratio : float or None
        Predicted over measured time [1].
    notes : str
        The machine, the choices, which time is given, what is set by hand or unverified, warnings.
    layer_docs_dir : str or None
        Folder with a page per layer, relative to the report's file; null if there is none.
    """

    schema_version: SchemaVersion = field(**must.one_of(SchemaVersion))
    report_id: str = field(**must.CONTENT_HASH)
    model: DeepSeekOCRModelSpec = field(**must.instance(DeepSeekOCRModelSpec))
    workload: OCRWorkloadProfile = field(**must.instance(OCRWorkloadProfile))
    modules: tuple[AnalyticModuleNode, ...] = field(**must.many(must.instance(AnalyticModuleNode)))
    operator_categories: tuple[OperatorCategory, ...] = field(**must.many(must.instance(OperatorCategory)))
    module_metrics: tuple[ModuleMetricsSnapshot, ...] = field(**must.many(must.instance(ModuleMetricsSnapshot)))
    profile_run_id: str | None = field(**must.nullable(must.IDENTIFIER))
    predicted_total_time_ms: float = field(**must.AMOUNT)
    measured_total_time_ms: float | None = field(**must.nullable(must.AMOUNT))
    predicted_vs_measured_ratio: float | None = field(**must.nullable(must.AMOUNT))
    notes: str = field(**must.PROSE)
    layer_docs_dir: str | None = field(**must.nullable(must.RELATIVE_PATH))
