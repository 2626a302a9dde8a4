"""What a client sends and gets back when it asks for a report over HTTP."""

from typing import Literal, get_args

from attrs import field, frozen

from dsocr_symbolic.reports.contracts import constraints as must
from dsocr_symbolic.reports.contracts.constraints import Number
from dsocr_symbolic.reports.contracts.model_report import DocKind, SchemaVersion, Stage

Part = Literal["constructor_params", "operator_breakdown"]
Status = Literal["accepted", "complete"]


@frozen(kw_only=True)
class DeepSeekOCRAnalyticRequest:
    """A workload, a machine, and what the report is to hold.

    Attributes
    ----------
    profile_id : str or None
        A named workload, see ``dsocr workloads``; null for the network's default.
    settings : dict of str to number
        Values of symbols that differ from the workload's, see ``dsocr symbols`` [each symbol's own unit].
    gpu : str or None
        A known machine, see ``dsocr gpus``; null for the network's default.
    choices : dict of str to str
        Options that differ from the defaults, see ``dsocr totals --help``.
    doc_kind : str
        What the pages look like; no number depends on it.
    include : list of str
        Parts of each module that the report spells out.
    profile_run_id : str or None
        A measured run to compare with.
    measured_total_time_ms : float or None
        Its time [milliseconds].
    model_id, model_variant : str or None
        The checkpoint and its network, as reports name them; null for these, others are refused.
    workload_profile_id : str or None
        Another name of ``profile_id``.
    force_rebuild : bool
        Whether a report that is there is written anew.
    """

    profile_id: str | None = field(default=None, **must.nullable(must.NAME))
    settings: dict[str, Number] = field(factory=dict, **must.table(must.ANY_NUMBER))
    gpu: str | None = field(default=None, **must.nullable(must.NAME))
    choices: dict[str, str] = field(factory=dict, **must.table(must.NAME))
    doc_kind: DocKind = field(default="synthetic", **must.one_of(DocKind))
    include: tuple[Part, ...] = field(default=get_args(Part), **must.many(must.one_of(Part)))
    profile_run_id: str | None = field(default=None, **must.nullable(must.IDENTIFIER))
    measured_total_time_ms: float | None = field(default=None, **must.nullable(must.AMOUNT))
    model_id: str | None = field(default=None, **must.nullable(must.TEXT))
    model_variant: str | None = field(default=None, **must.nullable(must.TEXT))
    workload_profile_id: str | None = field(default=None, **must.nullable(must.NAME))
    force_rebuild: bool = field(default=False, **must.FLAG)


@frozen(kw_only=True)
class DeepSeekOCRAnalyticAccepted:
    """The answer to a request: where its report is.

    Attributes
    ----------
    report_id : str
        Id of the report; equal requests get equal ids.
    status : str
        ``complete``: the report can be read; ``accepted``: it is being written, ask again.
    summary_url : str
        Path of the summary.
    model_url : str
        Path of the whole report.
    """

    report_id: str = field(**must.CONTENT_HASH)
    status: Status = field(**must.one_of(Status))
    summary_url: str = field(**must.URL_PATH)
    model_url: str = field(**must.URL_PATH)


@frozen(kw_only=True)
class AnalyticModuleSummary:
    """A module's line in a summary.

    Attributes
    ----------
    module_id : str
        The module, as in the whole report.
    qualified_class_name : str or None
        Its class; ``aten::NAME`` for an operator that is no module; null for a group of operators.
    stage : str
        Stage of the network.
    calls : int or float
        Calls in the whole workload [calls].
    total_time_ms : float
        The time that the notes name [milliseconds].
    share_of_model_time : float
        Part of the network's time [0 to 1].
    total_flops_tflops : float
        FLOPs on Tensor and CUDA cores, a count and not a rate [1e12 FLOP].
    total_io_tb : float
        Data that the launched operators read and write [1e12 bit].
    """

    module_id: str = field(**must.IDENTIFIER)
    qualified_class_name: str | None = field(**must.nullable(must.IDENTIFIER))
    stage: Stage = field(**must.one_of(Stage))
    calls: Number = field(**must.COUNT)
    total_time_ms: float = field(**must.AMOUNT)
    share_of_model_time: float = field(**must.SHARE)
    total_flops_tflops: float = field(**must.AMOUNT)
    total_io_tb: float = field(**must.AMOUNT)


@frozen(kw_only=True)
class DeepSeekOCRAnalyticReportSummary:
    """The totals of a report, and where they come from.

    Attributes
    ----------
    schema_version : int
        Version of this contract.
    report_id : str
        The report.
    model_id : str
        Repository of the checkpoint on the Hugging Face hub.
    model_variant : str
        Which version and size of the network it is.
    profile_id : str
        The workload.
    total_time_ms : float
        The time that the notes name [milliseconds].
    total_flops_tflops : float
        FLOPs on Tensor and CUDA cores, a count and not a rate [1e12 FLOP].
    total_io_tb : float
        Data that the launched operators read and write [1e12 bit].
    memory_weights_gb : float
        Weights of the network, each once [1e9 byte].
    memory_activations_gb : float or None
        Peak of live activations [1e9 byte]; null while the engine does not count it.
    memory_kvcache_gb : float
        KV cache at the end [1e9 byte].
    measured_total_time_ms : float or None
        Time of the measured run [milliseconds].
    predicted_vs_measured_ratio : float or None
        Predicted over measured time [1].
    stages : list of AnalyticModuleSummary
        One for each stage, in order of execution; they add up to the total.
    top_modules : list of AnalyticModuleSummary
        The slowest top modules of all stages, the slowest first; none lies inside another.
    notes : str
        The machine, the choices, which time is given, what is set by hand or unverified, warnings.
    """

    schema_version: SchemaVersion = field(**must.one_of(SchemaVersion))
    report_id: str = field(**must.CONTENT_HASH)
    model_id: str = field(**must.TEXT)
    model_variant: str = field(**must.TEXT)
    profile_id: str = field(**must.IDENTIFIER)
    total_time_ms: float = field(**must.AMOUNT)
    total_flops_tflops: float = field(**must.AMOUNT)
    total_io_tb: float = field(**must.AMOUNT)
    memory_weights_gb: float = field(**must.AMOUNT)
    memory_activations_gb: float | None = field(**must.nullable(must.AMOUNT))
    memory_kvcache_gb: float = field(**must.AMOUNT)
    measured_total_time_ms: float | None = field(**must.nullable(must.AMOUNT))
    predicted_vs_measured_ratio: float | None = field(**must.nullable(must.AMOUNT))
    stages: tuple[AnalyticModuleSummary, ...] = field(**must.many(must.instance(AnalyticModuleSummary)))
    top_modules: tuple[AnalyticModuleSummary, ...] = field(**must.many(must.instance(AnalyticModuleSummary)))
    notes: str = field(**must.PROSE)


@frozen(kw_only=True)
class AnalyticProblem:
    """Why a request cannot be answered, as RFC 9457 lays it out.

    Attributes
    ----------
    title : str
        The kind of failure in a few words.
    status : int
        HTTP status.
    detail : str
        One line: what is wrong, and the way out.
    field : str or None
        The field or symbol that the line is about, where it is about one.
    """

    title: str = field(**must.TEXT)
    status: int = field(**must.SIZE)
    detail: str = field(**must.TEXT)
    field: str | None = field(default=None, **must.nullable(must.TEXT))
