"""Float64 arrays against exact scalars: one source, two algebras."""

import numpy as np
import pytest
from conftest import evaluate_model
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic, arrays
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.program import load_program
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.scenario.values import choose, chosen_slots


@pytest.mark.parametrize("attention", ["flash", "eager"])
def test_arrays_of_workloads_equal_exact_scalars(attention: str) -> None:
    definition = find_definition("deepseek-ocr")
    program = load_program(definition, chosen_slots(definition, choose(definition, {"attention": attention})))
    grids = [(0, 0), (2, 1), (1, 3), (3, 2), (3, 3)]
    settings = [
        {"batch": batch, "crop_columns": columns, "crop_rows": rows, "text_tokens": 7 * batch, "new_tokens": steps}
        for batch in (1, 2, 64)
        for columns, rows in grids
        for steps in (0, 1, 700)
    ]
    results = [evaluate_model("base", each, attention=attention) for each in settings]
    names = list(results[0].values.numbers)
    values = {name: np.array([float(each.values.numbers[name]) for each in results]) for name in names}
    found = dict(zip(program.columns, compile_function(program.source, arrays)(values), strict=True))
    metrics = ("operator_launches", "forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes")
    for index, row in enumerate(program.rows):
        if not row.aten:
            continue
        exact = [each.nodes[index - 1].metrics for each in results]
        for metric in (*metrics, "roofline_s"):
            expected = [float(numbers[metric]) for numbers in exact]
            column = np.broadcast_to(found[metric][index], len(expected))
            assert column == pytest.approx(expected, rel=1e-12, abs=1e-300), row.path


LINES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)), min_size=1, max_size=3)


@given(lines=LINES, last=st.integers(0, 60))
def test_sum_of_maxima_equals_exact_arithmetic(lines: list[tuple[int, int]], last: int) -> None:
    wide = [(np.array([float(a), 1.0]), np.array([float(b), 0.0])) for a, b in lines]
    found = arrays.sum_maxima(wide, np.array([float(last), 3.0]))
    assert found[0] == pytest.approx(float(arithmetic.sum_maxima(lines, last)), rel=1e-12)
    assert found[1] == 3.0
