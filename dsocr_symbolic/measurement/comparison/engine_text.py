"""An engine's numbers beside ours as a table for a terminal."""

from dsocr_symbolic.measurement.comparison.engine_pairs import EngineComparison
from dsocr_symbolic.questions.question import of_scenario
from dsocr_symbolic.writing.terminal import indented, on_terminal, table

# From here on numbers are printed without decimals.
_WHOLE = 10_000
_NOTE = {
    "log": "what a server holds, by formulas/server.yaml",
    "benchmark": "a server in balance, all requests alike and no queue, by formulas/server.yaml",
}


def engine_text(comparison: EngineComparison, file: str) -> str:
    """Print what an engine says, what the formulas give, and the ratio."""
    made = table(f"{comparison.kind} {file}", ">engine", ">ours", ">ours/engine")
    for line in comparison.lines:
        ours = "-" if line.ours is None else _number(line.ours)
        made.add_row(line.name, _number(line.engine), ours, "-" if line.ratio is None else f"{line.ratio:.3f}")
    times = () if comparison.kind == "log" else ("ttft_wall_s", "tpot_wall_s")
    lines = [of_scenario(comparison.scenario).heading(*times)]
    if comparison.told:
        told = ", ".join(f"{name} {value:,}" for name, value in comparison.told.items())
        lines.append(f"taken from the engine: {told}")
    lines.append(f"ours: {_NOTE[comparison.kind]}; -: no formula gives it")
    return "\n".join([on_terminal(made), *(indented([line]) for line in lines)]) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= _WHOLE else f"{value:,.4g}"
