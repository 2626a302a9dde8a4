"""The summary of a report."""

from collections.abc import Iterator

from dsocr_symbolic.reports.contracts.messages import AnalyticModuleSummary, DeepSeekOCRAnalyticReportSummary
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport, AnalyticModuleNode

TOP = 10


def summarise(report: AnalyticModelReport, top: int = TOP) -> DeepSeekOCRAnalyticReportSummary:
    """Sum a report up.

    Parameters
    ----------
    report : AnalyticModelReport
        A consistent report.
    top : int
        How many modules to name at most.

    Returns
    -------
    DeepSeekOCRAnalyticReportSummary
        Totals, stages and the slowest top modules.
    """
    nodes = {node.module_id: node for node in report.modules}
    metrics = {each.module_id: each for each in report.module_metrics}
    (root,) = (node for node in report.modules if node.parent_id is None)
    total = metrics[root.module_id]

    def line(node: AnalyticModuleNode) -> AnalyticModuleSummary:
        found = metrics[node.module_id]
        return AnalyticModuleSummary(
            module_id=node.module_id,
            qualified_class_name=node.qualified_class_name,
            stage=node.stage,
            calls=found.calls,
            total_time_ms=found.total_time_ms,
            share_of_model_time=found.share_of_model_time,
            total_flops_tflops=found.total_flops_tflops,
            total_io_tb=found.total_io_tb,
        )

    def outermost(node: AnalyticModuleNode) -> Iterator[AnalyticModuleNode]:
        """Yield the first modules below, through groups of operators."""
        for child in (nodes[each] for each in node.children):
            if child.qualified_class_name is not None or not child.children:
                yield child
            else:
                yield from outermost(child)

    stages = [nodes[each] for each in root.children]
    modules = [line(node) for stage in stages for node in outermost(stage)]
    return DeepSeekOCRAnalyticReportSummary(
        schema_version=report.schema_version,
        report_id=report.report_id,
        model_id=report.model.model_id,
        model_variant=report.model.model_variant,
        profile_id=report.workload.profile_id,
        total_time_ms=total.total_time_ms,
        total_flops_tflops=total.total_flops_tflops,
        total_io_tb=total.total_io_tb,
        memory_weights_gb=total.memory_weights_gb,
        memory_activations_gb=total.memory_activations_gb,
        memory_kvcache_gb=total.memory_kvcache_gb,
        measured_total_time_ms=report.measured_total_time_ms,
        predicted_vs_measured_ratio=report.predicted_vs_measured_ratio,
        stages=tuple(line(stage) for stage in stages),
        top_modules=tuple(sorted(modules, key=lambda each: -each.total_time_ms)[:top]),
        notes=report.notes,
    )
