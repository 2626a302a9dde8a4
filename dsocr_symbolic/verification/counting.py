"""Count one call of the reference."""

from dsocr_symbolic.verification.bench import Bench
from dsocr_symbolic.verification.cases import Case
from dsocr_symbolic.verification.counted import Counted
from dsocr_symbolic.verification.subjects import SUBJECTS


def count_case(case: Case, precision: str) -> Counted:
    """Make the module that a case calls, and count the call.

    Parameters
    ----------
    case : Case
        The formula file, its variant, settings and choices.
    precision : str
        ``plain`` or ``autocast``.

    Returns
    -------
    Counted
        What the call costs.
    """
    bench = Bench(precision)
    layer = case.layer.partition(" ")[0]
    with bench.context():
        subject = SUBJECTS[case.layer](bench, case.settings)
        return bench.count(layer, dict(case.settings), dict(case.choices), subject, "reference")
