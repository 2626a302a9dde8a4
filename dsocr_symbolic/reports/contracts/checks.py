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

Nodes = Mapping[str, AnalyticModuleNode]
Snapshots = Mapping[str, ModuleMetricsSnapshot]


def check_report(report: AnalyticModelReport, where: str = "report") -> None:
    """Refuse a report that does not agree with itself: its hash, ids, tree of modules, sums, shares and ratio."""
    _check_hash(report, "report_id", where)
    _unique(where, "modules: module_id", (node.module_id for node in report.modules))
    _unique(where, "module_metrics: module_id", (metrics.module_id for metrics in report.module_metrics))
    _unique(
        where, "operator_categories: category_id", (category.category_id for category in report.operator_categories)
    )
    nodes = {node.module_id: node for node in report.modules}
    snapshots = {metrics.module_id: metrics for metrics in report.module_metrics}
    if nodes.keys() != snapshots.keys():
        odd = min(nodes.keys() ^ snapshots.keys())
        raise UserError(f"{where}: '{odd}' stands in only one of modules and module_metrics; each module needs both")
    whole = snapshots[_check_tree(where, nodes).module_id]
    _check_sums(where, nodes, snapshots)
    _check_shares(where, snapshots, whole)
    _check_breakdowns(where, report, snapshots)
    _check_times(where, report, whole)


def check_operator_list(operators: TargetOperatorList, where: str = "operator list") -> None:
    """Refuse an operator list that does not agree with itself: its hash, its classes and their children."""
    _check_hash(operators, "snapshot_id", where)
    names = [operator.class_name_qualified for operator in operators.operators]
    _unique(where, "operators: class_name_qualified", names)
    for operator in operators.operators:
        for child in operator.children_classes:
            if child not in names:
                raise UserError(f"{where}: {operator.class_name_qualified}: the child '{child}' is not on the list")


def _check_hash(artifact: AnalyticModelReport | TargetOperatorList, id_field: str, where: str) -> None:
    said = getattr(artifact, id_field)
    if content_hash(artifact, id_field) != said:
        raise UserError(f"{where}: {id_field} {said} is not the hash of the content; it was changed by hand")


def _unique(where: str, what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{where}: {what}: '{twice[0]}' stands twice; ids are unique")


def _check_tree(where: str, nodes: Nodes) -> AnalyticModuleNode:
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
    root, reached, ahead = roots[0], set(), [roots[0].module_id]
    while ahead:
        reached.add(ahead[-1])
        ahead += nodes[ahead.pop()].children
    lost = nodes.keys() - reached
    if lost:
        raise UserError(f"{where}: {min(lost)}: no way leads there from '{root.module_id}'; the modules are no tree")
    return root


def _check_sums(where: str, nodes: Nodes, snapshots: Snapshots) -> None:
    for node in nodes.values():
        for name in _ADDITIVE if node.children else ():
            added = math.fsum(getattr(snapshots[child], name) for child in node.children)
            own = getattr(snapshots[node.module_id], name)
            _agree(f"{where}: {node.module_id}: {name}", own, added, "the sum of its children")


def _check_shares(where: str, snapshots: Snapshots, whole: ModuleMetricsSnapshot) -> None:
    for name, module in snapshots.items():
        share = module.total_time_ms / whole.total_time_ms if whole.total_time_ms else 0.0
        _agree(f"{where}: {name}: share_of_model_time", module.share_of_model_time, share, "its part of the total time")


def _check_breakdowns(where: str, report: AnalyticModelReport, snapshots: Snapshots) -> None:
    known = {category.category_id for category in report.operator_categories}
    for name, module in snapshots.items():
        if module.profile_id != report.workload.profile_id:
            raise UserError(f"{where}: {name}: profile_id '{module.profile_id}' is not '{report.workload.profile_id}'")
        _unique(where, f"{name}: operator_breakdown", (row.category_id for row in module.operator_breakdown))
        for row in module.operator_breakdown:
            if row.category_id not in known:
                raise UserError(f"{where}: {name}: the category '{row.category_id}' is not in operator_categories")
        if module.operator_breakdown:
            _check_breakdown(f"{where}: {name}", module)


def _check_breakdown(place: str, module: ModuleMetricsSnapshot) -> None:
    rows, of = module.operator_breakdown, "the sum over its operator_breakdown"
    flops = math.fsum(row.flops_tflops for row in rows)
    _agree(f"{place}: total_flops_tflops", module.total_flops_tflops, flops, of)
    _agree(f"{place}: total_io_tb", module.total_io_tb, math.fsum(row.io_tb for row in rows), of)
    for row in rows:
        share = row.flops_tflops / module.total_flops_tflops if module.total_flops_tflops else 0.0
        what, of = f"{place}: {row.category_id}: share_of_module_flops", "its part of the module's FLOPs"
        _agree(what, row.share_of_module_flops, share, of)


def _check_times(where: str, report: AnalyticModelReport, whole: ModuleMetricsSnapshot) -> None:
    predicted, measured = report.predicted_total_time_ms, report.measured_total_time_ms
    _agree(f"{where}: predicted_total_time_ms", predicted, whole.total_time_ms, "the time of the whole network")
    ratio, said = predicted / measured if measured else None, report.predicted_vs_measured_ratio
    if ratio is not None and said is not None:
        _agree(f"{where}: predicted_vs_measured_ratio", said, ratio, "predicted over measured time")
    elif ratio is not said:
        raise UserError(f"{where}: predicted_vs_measured_ratio is {said}; it is there if a measured time is, else null")


def _agree(what: str, said: float, expected: float, of: str) -> None:
    if not math.isclose(said, expected, rel_tol=_CLOSE, abs_tol=0.0 if expected else _CLOSE):
        raise UserError(f"{what} is {said!r}; {of} is {expected!r}")
