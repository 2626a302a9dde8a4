"""One walk, several languages: each writes the same expression, and Python and Excel as they always did."""

import sympy

from dsocr_symbolic.algebras.symbolic import maximum, positive, power, sum_maxima, symbol
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.explorer.instructions import Instructions
from dsocr_symbolic.explorer.javascript import statements
from dsocr_symbolic.explorer.mathml import as_mathml, letter_markup
from dsocr_symbolic.explorer.recorded import Book
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer

A, B = symbol("a"), symbol("b")
EXPRESSION = (
    3 * A**2 / (7 * B)
    - sympy.ceiling(A / 2)
    + maximum(A, B) * positive(A - B)
    + sympy.Mod(A, 5)
    + power(A, B)
    + sum_maxima(B, A, sympy.Integer(1), B, sympy.Integer(2))
)


def test_python_is_written_as_it_always_was() -> None:
    assert function_source([[EXPRESSION]], ["a", "b"]) == (
        "def run(v):\n    s_a = v['a']\n    s_b = v['b']\n    d0 = 7*s_b\n"
        "    c0 = (((-1*ceiling(divide(s_a, 2))) + (maximum(s_a, s_b)*positive((s_a + (-1*s_b))))"
        " + divide(3*s_a**2, d0) + (s_a % 5) + power(s_a, s_b) + sum_maxima(((s_a, 1), (s_b, 2), ), s_b)), )\n"
        "    return (c0, )\n"
    )


def test_excel_is_written_as_it_always_was() -> None:
    cells = {"a": Piece(text="A1", value=7), "b": Piece(text="B1", value=3)}
    printer = Printer(cells, lambda piece: piece, lambda last, _: Piece(text="Steps!A2", value=last.value))
    assert printer.piece(EXPRESSION).text == (
        "MAX(A1,B1)*IF(A1>B1,1,0)+3*A1^2/(7*B1)+MOD(A1,5)"
        "+IF(B1=0,1,IF(B1*LN(ABS(A1)+1E-300)<-700,0,POWER(A1,B1)))+Steps!A2-CEILING(A1/2,1)"
    )


def test_javascript_calls_functions_of_exact_numbers() -> None:
    book = Book()
    declared, (shown,) = statements(book, [book.place(Instructions(book).part(EXPRESSION))], {"a": "v[0]", "b": "v[1]"})
    assert declared == []
    assert shown == (
        "A(A(A(A(A(M(-1n,C(D(v[0],2n))),M(X(v[0],v[1]),G(A(v[0],M(-1n,v[1]))))),"
        "D(M(3n,E(v[0],2n)),M(7n,v[1]))),Q(v[0],5n)),P(v[0],v[1])),U(v[1],[v[0],1n,v[1],2n]))"
    )


def test_mathml_leaves_places_for_symbols() -> None:
    shown = as_mathml(3 * A**2 / (7 * B) - sympy.ceiling(A / 2), {"a": 0, "b": 1})
    assert shown.count("{0}") == 2
    assert "<mo>\N{MINUS SIGN}</mo><mo>\N{LEFT CEILING}</mo>" in shown
    assert letter_markup("P_{TC}^{max}", "") == (
        "<mrow><msubsup><mi>P</mi><mrow><mi>TC</mi></mrow><mrow><mi>max</mi></mrow></msubsup></mrow>"
    )
