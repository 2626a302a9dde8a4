"""What operators of a whole network read of one another in a prefill: as its formulas say it, and in transformers."""

from pathlib import Path

import torch

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS
from dsocr_symbolic.verification.calls.dataflow import Edges, FlowTrace, edges_of
from dsocr_symbolic.verification.networks.oracle import META, build, new_cache, quietly


def prefill_flows(definition: Definition, config: Path, batch: int, prompt_tokens: int) -> tuple[Edges, Edges]:
    """Follow a prefill of a network at a config.json: what its formulas say is read, and what is."""
    network = build(definition, config)
    with quietly(), torch.no_grad(), META:
        tokens = torch.empty(batch, prompt_tokens, dtype=torch.long)
        with FlowTrace() as trace:
            network(input_ids=tokens, cache=new_cache(network), use_cache=True)
    settings = {"batch": batch, "prompt_tokens": prompt_tokens, "new_tokens": 1, **FUNCTION_COSTS}
    scenario = make_scenario(definition=definition, config=config, settings=settings)
    values, slots = scenario_values(scenario).numbers, chosen_slots(definition, scenario.options)
    tree = build_tree(load_library(), definition.stages[:1], {**values, "step": 1}, slots, arithmetic)
    return edges_of(tree), trace.edges
