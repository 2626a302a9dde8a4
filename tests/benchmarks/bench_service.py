"""Formulas of a server against a simulation of the same engine: python tests/benchmarks/bench_service.py [N]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from service_workloads import HELD, draw, errors


def main(count: int, requests: int = 12000) -> None:
    worst: dict[str, list[tuple[float, int]]] = {name: [] for name in HELD}
    for seed in range(count):
        server = draw(seed)
        missed, _ = errors(server, requests, seed)
        for name, error in missed.items():
            worst[name].append((abs(error), seed))
            if abs(error) > 0.05:
                print(f"workload {seed}: {name} {error:+.1%}, {'open' if server.arrivals_per_s else 'closed'} {server}")
    for name, found in worst.items():
        mean = sum(error for error, _ in found) / len(found)
        print(f"{name}: mean {mean:.2%}, worst {max(found)[0]:.1%} of workload {max(found)[1]}, {count} workloads")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
