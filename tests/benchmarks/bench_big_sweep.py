"""A sweep larger than memory, killed halfway and continued. Run: python tests/benchmarks/bench_big_sweep.py [FOLDER].

Needs about 2 GB in FOLDER (the system's temporary folder if left out), and frees them again.
"""

import filecmp
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_MEMORY = 2 << 30
VARY = {"batch": "1:2500", "new_tokens": "1:4000", "crop_grid": [(0, 0), *((1, n) for n in range(2, 10)), (3, 2)]}
RUN = f"""
import sys
from pathlib import Path
from dsocr_symbolic import load_model
from dsocr_symbolic.questions.sweep.rows import write_parquet
from dsocr_symbolic.questions.sweep.plan import plan_sweep

plan = plan_sweep(load_model("deepseek-ocr"), metrics="roofline_s", **{VARY!r})
print(plan.count, plan.block, flush=True)
write_parquet(plan, Path(sys.argv[1]))
"""


def start(path: Path) -> subprocess.Popen[str]:
    """Start writing the sweep in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a process; return the most memory that it held, in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Print points per second and peak memory, and whether a killed sweep ends up the same."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        whole, broken = Path(folder) / "whole.parquet", Path(folder) / "broken.parquet"
        began = time.perf_counter()
        process = start(whole)
        assert process.stdout is not None
        points, block = map(int, process.stdout.readline().split())
        compiled = time.perf_counter() - began
        peak = finish(process)
        spent = time.perf_counter() - began
        size = sum(each.stat().st_size for each in whole.iterdir())
        chunks = -(-points // block)
        print(f"points              {points:,} in {chunks} chunks, {size / 1e9:.2f} GB of Parquet")
        print(f"uninterrupted       {spent:.1f} s, {compiled:.1f} s of them compiling")
        print(f"points per second   {points / (spent - compiled):,.0f}")
        print(f"peak memory         {peak / 2**20:.0f} MiB  (at most {MOST_MEMORY / 2**20:.0f})")
        process = start(broken)
        part = broken.with_name(f"{broken.name}.part")
        while len(list(part.glob("chunk-*.parquet"))) < chunks // 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        peak = max(peak, finish(process))
        kept = {each: each.stat().st_mtime_ns for each in part.glob("chunk-*.parquet")}
        print(f"killed              {process.returncode} after {len(kept)} chunks; result: {broken.exists()}  (False)")
        began = time.perf_counter()
        peak = max(peak, finish(start(broken)))
        names = sorted(each.name for each in whole.iterdir())
        _, differing, unread = filecmp.cmpfiles(whole, broken, names, shallow=False)
        again = sum((broken / each.name).stat().st_mtime_ns != changed for each, changed in kept.items())
        same = not differing and not unread and names == sorted(each.name for each in broken.iterdir())
        print(f"continued           {time.perf_counter() - began:.1f} s; finished chunks made again: {again}  (0)")
        print(f"byte for byte equal {same}  (True)")
        print(f"peak memory of all  {peak / 2**20:.0f} MiB  (at most {MOST_MEMORY / 2**20:.0f})")


if __name__ == "__main__":
    main()
