"""Formulas of a server against a simulation of the same engine: python tests/benchmarks/bench_service.py [N] [merged].

``merged`` takes chunks and decode steps in one forward. Percentiles have no formula: those of the simulation that
``dsocr plan --simulate`` runs are held against one of as many requests, drawn anew.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from service_workloads import HELD, draw, errors

from dsocr_symbolic.questions.plan.simulation import REQUESTS, simulate

PERCENTILES = {"ttft_p99_s": 0.2, "tpot_p99_s": 0.2}
MOST = dict.fromkeys(HELD, 0.05) | PERCENTILES


def main(count: int, *, merged: bool, requests: int = REQUESTS) -> None:
    worst: dict[str, list[tuple[float, int]]] = {name: [] for name in MOST}
    for seed in range(count):
        server = draw(seed, merged=merged)
        missed, seen = errors(server, requests, seed)
        again = simulate(
            server.engine,
            concurrency=server.concurrency,
            arrivals_per_s=server.arrivals_per_s,
            seed=count + seed,
        )
        missed |= {name: getattr(again, name) / getattr(seen, name) - 1 for name in PERCENTILES}
        for name, error in missed.items():
            worst[name].append((abs(error), seed))
            if abs(error) > MOST[name]:
                print(f"workload {seed}: {name} {error:+.1%}, {'open' if server.arrivals_per_s else 'closed'} {server}")
    for name, found in worst.items():
        mean = sum(error for error, _ in found) / len(found)
        above = sum(error > MOST[name] for error, _ in found)
        print(
            f"{name}: mean {mean:.2%}, worst {max(found)[0]:.1%} of workload {max(found)[1]},"
            f" {above} of {count} above {MOST[name]:.0%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, merged="merged" in sys.argv[2:])
