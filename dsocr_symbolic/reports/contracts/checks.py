"""What must hold of an artifact as a whole, beyond the constraints of its fields."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.conversion import content_hash
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport, AnalyticModuleNode, ModuleMetricsSnapshot
from dsocr_symbolic.reports.contracts.operator_list import TargetOperatorList

_ADDITIVE = ("share_of_model_time", "total_time_ms", "total_flops_tflops", "total_io_tb")


_CLOSE = 1e-9


def check_report(report: AnalyticModelReport, where: str = "report") -> None:
    """Check that a report agrees with itself.

    Parameters
    ----------
    report : AnalyticModelReport
        Every field of it meets its constraint.
    where : str
        Its file, for errors.

    Raises
    ------
    UserError
        If an id stands twice or is unknown, the modules are no tree, the children of a module do not add up to it,
        the categories of a module do not, the ratio is wrong, or the content is not what the id was made of.
    """
    if content_hash(report, "report_id") != report.report_id:
        raise UserError(f"{where}: report_id {report.report_id} is not the hash of the content; it was changed by hand")
    _unique(where, "modules: module_id", (node.module_id for node in report.modules))
    _unique(where, "module_metrics: module_id", (each.module_id for each in report.module_metrics))
    _unique(where, "operator_categories: category_id", (each.category_id for each in report.operator_categories))
    nodes = {node.module_id: node for node in report.modules}
    metrics = {each.module_id: each for each in report.module_metrics}
    if nodes.keys() != metrics.keys():
        odd = min(nodes.keys() ^ metrics.keys())
        raise UserError(f"{where}: '{odd}' stands in only one of modules and module_metrics; each module needs both")
    root = _check_tree(where, nodes)
    _check_sums(where, nodes, metrics)
    _check_shares(where, metrics, metrics[root.module_id])
    _check_breakdowns(where, report, metrics)
    _check_times(where, report, metrics[root.module_id])


def check_operator_list(operators: TargetOperatorList, where: str = "operator list") -> None:
    """Check that an operator list agrees with itself.

    Raises
    ------
    UserError
        If a class stands twice, a child is not on the list, or the content is not what the id was made of.
    """
    if content_hash(operators, "snapshot_id") != operators.snapshot_id:
        raise UserError(
            f"{where}: snapshot_id {operators.snapshot_id} is not the hash of the content; it was changed by hand"
        )
    names = [each.class_name_qualified for each in operators.operators]
    _unique(where, "operators: class_name_qualified", names)
    for each in operators.operators:
        for child in each.children_classes:
            if child not in names:
                raise UserError(f"{where}: {each.class_name_qualified}: the child '{child}' is not on the list")


def _unique(where: str, what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{where}: {what}: '{twice[0]}' stands twice; ids are unique")


def _check_tree(where: str, nodes: Mapping[str, AnalyticModuleNode]) -> AnalyticModuleNode:
    """Return the root, from which every module is reached exactly once."""
    roots = [node for node in nodes.values() if node.parent_id is None]
    if len(roots) != 1:
        raise UserError(f"{where}: modules: {len(roots)} have no parent; exactly one is the whole network")
    for node in nodes.values():
        if node.parent_id is not None and node.parent_id not in nodes:
            raise UserError(f"{where}: {node.module_id}: the parent '{node.parent_id}' is no module")
    for node in nodes.values():
        for child in node.children:
            if child not in nodes:
                raise UserError(f"{where}: {node.module_id}: the child '{child}' is no module")
            if nodes[child].parent_id != node.module_id:
                said = nodes[child].parent_id
                raise UserError(f"{where}: {child}: its parent is '{said}', but '{node.module_id}' calls it its child")
        _unique(where, f"{node.module_id}: children", node.children)
    reached, open_ = set(), [roots[0].module_id]
    while open_:
        reached.add(open_[-1])
        open_ += nodes[open_.pop()].children
    lost = nodes.keys() - reached
    if lost:
        raise UserError(
            f"{where}: {min(lost)}: no way leads there from '{roots[0].module_id}'; the modules are no tree"
        )
    return roots[0]


def _check_sums(
    where: str, nodes: Mapping[str, AnalyticModuleNode], metrics: Mapping[str, ModuleMetricsSnapshot]
) -> None:
    for node in nodes.values():
        for name in _ADDITIVE if node.children else ():
            added = math.fsum(getattr(metrics[child], name) for child in node.children)
            own = getattr(metrics[node.module_id], name)
            _agree(f"{where}: {node.module_id}: {name}", own, added, "the sum of its children")


def _check_shares(where: str, metrics: Mapping[str, ModuleMetricsSnapshot], whole: ModuleMetricsSnapshot) -> None:
    for name, each in metrics.items():
        share = each.total_time_ms / whole.total_time_ms if whole.total_time_ms else 0.0
        _agree(f"{where}: {name}: share_of_model_time", each.share_of_model_time, share, "its part of the total time")


def _check_breakdowns(where: str, report: AnalyticModelReport, metrics: Mapping[str, ModuleMetricsSnapshot]) -> None:
    known = {each.category_id for each in report.operator_categories}
    for name, each in metrics.items():
        if each.profile_id != report.workload.profile_id:
            raise UserError(f"{where}: {name}: profile_id '{each.profile_id}' is not '{report.workload.profile_id}'")
        _unique(where, f"{name}: operator_breakdown", (row.category_id for row in each.operator_breakdown))
        for row in each.operator_breakdown:
            if row.category_id not in known:
                raise UserError(f"{where}: {name}: the category '{row.category_id}' is not in operator_categories")
        if each.operator_breakdown:
            _check_breakdown(f"{where}: {name}", each)


def _check_breakdown(place: str, module: ModuleMetricsSnapshot) -> None:
    rows, of = module.operator_breakdown, "the sum over its operator_breakdown"
    flops = math.fsum(row.flops_tflops for row in rows)
    _agree(f"{place}: total_flops_tflops", module.total_flops_tflops, flops, of)
    _agree(f"{place}: total_io_tb", module.total_io_tb, math.fsum(row.io_tb for row in rows), of)
    for row in rows:
        share = row.flops_tflops / module.total_flops_tflops if module.total_flops_tflops else 0.0
        found = row.share_of_module_flops
        _agree(f"{place}: {row.category_id}: share_of_module_flops", found, share, "its part of the module's FLOPs")


def _check_times(where: str, report: AnalyticModelReport, whole: ModuleMetricsSnapshot) -> None:
    predicted, measured = report.predicted_total_time_ms, report.measured_total_time_ms
    _agree(f"{where}: predicted_total_time_ms", predicted, whole.total_time_ms, "the time of the whole network")
    ratio, found = predicted / measured if measured else None, report.predicted_vs_measured_ratio
    if ratio is not None and found is not None:
        _agree(f"{where}: predicted_vs_measured_ratio", found, ratio, "predicted over measured time")
    elif ratio is not found:
        raise UserError(
            f"{where}: predicted_vs_measured_ratio is {found}; it is there if a measured time is, else null"
        )


def _agree(what: str, found: float, expected: float, of: str) -> None:
    if not math.isclose(found, expected, rel_tol=_CLOSE, abs_tol=0.0 if expected else _CLOSE):
        raise UserError(f"{what} is {found!r}; {of} is {expected!r}")
