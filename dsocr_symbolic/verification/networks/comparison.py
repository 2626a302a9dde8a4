"""What a model file claims to count, set beside what transformers counts."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.files.proof_file import NetworksFile, proof_file
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.scenario.configs import find_network, read_config
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS
from dsocr_symbolic.verification.networks.oracle import build, generation_counts, training_counts

Workload = tuple[int, int, int]
"""Requests, tokens of a prompt, decode steps."""

_PEAK, _NEAR = "forward_activation_bytes", 0.05


@frozen(kw_only=True)
class NetworkCount:
    """One number of one call.

    Attributes
    ----------
    network, config : str
        The model file, and which config of it.
    workload : tuple of int
        Requests, tokens of a prompt, decode steps.
    stage, metric : str
        Where, and what.
    formula, counted : int
        Ours and theirs.
    """

    network: str
    config: str
    workload: Workload
    stage: str
    metric: str
    formula: Any
    counted: int

    @property
    def exact(self) -> bool:
        """Whether both are the same number."""
        return bool(self.formula == self.counted)

    @property
    def agrees(self) -> bool:
        """Whether both are the same number; of a peak, whether they are within 5 %, as of all peaks here."""
        return self.exact or (self.metric == _PEAK and abs(self.formula - self.counted) <= _NEAR * self.counted)


@cache
def networks_file() -> NetworksFile:
    """Read formulas/proofs/networks.yaml."""
    networks: NetworksFile = proof_file(NetworksFile, "networks")
    return networks


def compared(
    definition: Definition, config: Path, name: str, workloads: Sequence[Workload], *, backward: bool = True
) -> Iterator[NetworkCount]:
    """Compare a network at a config.json, workload by workload; what its file does not claim is left out."""
    network = build(definition, config)
    backward = backward and "backward_io_bytes" not in definition.uncounted
    for workload in workloads:
        batch, prompt_tokens, new_tokens = workload
        settings = {"batch": batch, "prompt_tokens": prompt_tokens, "new_tokens": new_tokens, **FUNCTION_COSTS}
        result = answer(make_scenario(definition=definition, config=config, settings=settings), details=backward)
        ours = {"total": result.total} | {node.row.path: node.metrics for node in result.nodes}
        theirs = generation_counts(network, batch, prompt_tokens, new_tokens)
        if backward:
            theirs["prefill"] |= training_counts(network, batch, prompt_tokens)
        for stage, metrics in theirs.items():
            for metric, counted in metrics.items():
                if metric not in definition.uncounted:
                    yield NetworkCount(
                        network=definition.name,
                        config=name,
                        workload=workload,
                        stage=stage,
                        metric=metric,
                        formula=ours[stage][metric],
                        counted=counted,
                    )


def across_edges(definition: Definition, config: Path) -> tuple[Workload, ...]:
    """Return the proofs' workloads, and those that cross the edge of a window that a config.json names."""
    window = read_config(definition, config).sizes.get("sliding_window", 0)
    edges = [(1, max(window - 2, 1), 4), (2, window + 1, 2)] if window else []
    return tuple(dict.fromkeys([*networks_file().workloads, *edges]))


def proven(name: str, most: int | None = None) -> Iterator[NetworkCount]:
    """Compare a network at the configs and workloads that the proofs' file names, ``most`` of them at most."""
    definition = find_definition(name)
    for config in networks_file().networks.get(name, ())[:most]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.json"
            path.write_text(json.dumps(dict(config.values)), encoding="utf-8")
            found = find_network(path)
            assert found.name == definition.name, (found.name, definition.name)  # noqa: S101 - its config is of it
            yield from compared(definition, path, config.name, networks_file().workloads, backward=config.backward)


def summed_up(counts: Sequence[NetworkCount]) -> dict[str, Any]:
    """Sum up, by network and metric: numbers compared, equal ones, those that differ, and the configs."""
    networks: dict[str, Any] = {}
    for count in counts:
        row = networks.setdefault(count.network, {"configs": [], "metrics": {}})
        if count.config not in row["configs"]:
            row["configs"].append(count.config)
        cell = row["metrics"].setdefault(count.metric, {"numbers": 0, "exact": 0, "differing": 0})
        cell["numbers"] += 1
        cell["exact"] += count.exact
        cell["differing"] += not count.agrees
    return networks
