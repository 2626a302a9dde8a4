"""Cold start against ``import sympy``, best of several, as ratios. Run: python tests/benchmarks/bench_startup.py."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 9
TOTALS = "from dsocr_symbolic.cli import main; main(['totals'])"


def best(code: str, cache: str, *, fresh: bool) -> float:
    """Return the shortest wall time of a process in seconds."""
    times = []
    for _ in range(ROUNDS):
        if fresh:
            for path in Path(cache).glob("*"):
                path.unlink()
        start = time.perf_counter()
        environment = {**os.environ, "DSOCR_CACHE": cache}
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the ratios and what they have to be."""
    with tempfile.TemporaryDirectory() as cache:
        sympy = best("import sympy", cache, fresh=False)
        first = best(TOTALS, cache, fresh=True)
        later = best(TOTALS, cache, fresh=False)
    print(f"import sympy        {sympy * 1e3:7.1f} ms")
    print(f"first dsocr totals  {first * 1e3:7.1f} ms  ratio {first / sympy:.2f}  (at most 5)")
    print(f"later dsocr totals  {later * 1e3:7.1f} ms  ratio {later / sympy:.2f}  (at most 0.8)")


if __name__ == "__main__":
    main()
