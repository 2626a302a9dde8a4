"""The lower bound, worked out phase by phase from a list of operators, tensors at the edges, and modules.

Whoever changes formulas/time/lower_bound.yaml, the phases or a machine's symbols of it states here what must come out.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Layer
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.time_formula import load_time
from dsocr_symbolic.verification.expectations.facts import Facts, exact, machines, number, on, page
from dsocr_symbolic.verification.expectations.machine import Fact, network

VIEWS = ("vision/crops", "vision/global")
# The views of a page need nothing of one another, and the projector of one view nothing of the next view.
PHASES = ((*VIEWS, "projector"), ("prefill",), ("decode",))
_FP32, _INT64, _BF16 = 4, 8, 2
# A score is scaled, compared, subtracted from, raised, added up and divided; a mask is added where there is one.
_PER_SCORE, _PER_MASKED = 6, 7


@frozen(kw_only=True)
class Work:
    """What a phase cannot do without: FLOPs of both kinds, bytes read, bytes written."""

    tensor_core: Any
    cuda_core: Any
    read: Any
    written: Any


def phase(machine: Mapping[str, Any], work: Work) -> Any:
    """Return the least seconds of some work; memory need not move what the chip holds."""
    cores = max(1, machine["highest_clock"] / machine["rated_clock"]) * max(1, machine["compute_efficiency"])
    bandwidth = machine["fastest_memory_bandwidth"] * max(1, machine["bandwidth_efficiency"])
    moved = max(0, work.read - machine["on_chip"]) + max(0, work.written - machine["on_chip"])
    return max(
        work.tensor_core / (machine["fastest_tensor_core_peak"] * cores),
        work.cuda_core / (machine["fastest_cuda_core_peak"] * cores),
        moved / bandwidth,
    )


def made_up() -> Iterator[Fact]:
    """Compare phases that no network has: much is written, nothing is read, every resource the slowest in turn."""
    random = Random(7)  # noqa: S311 - draws, no secrets
    seconds = load_time("lower_bound").seconds
    names = ("tensor_core_peak", "cuda_core_peak", "memory_bandwidth")
    for _ in range(300):
        tensor_core, cuda_core, read, written, on_chip = (random.choice((0, random.randint(1, 99))) for _ in range(5))
        work = Work(tensor_core=tensor_core, cuda_core=cuda_core, read=read, written=written)
        machine: dict[str, Any] = {f"fastest_{name}": Fraction(random.randint(1, 9)) for name in names}
        for name in ("rated_clock", "highest_clock", "compute_efficiency", "bandwidth_efficiency"):
            machine[name] = Fraction(random.randint(1, 9), random.randint(1, 9))
        machine["on_chip"] = on_chip
        given = {"tensor_core_flops": tensor_core, "cuda_core_flops": cuda_core}
        given |= {"read_bytes": read, "written_bytes": written}
        yield f"bound of {work}", evaluate(seconds, {**machine, **given}, arithmetic), phase(machine, work)


def _flops(point: Facts, paths: Sequence[str]) -> tuple[Any, Any]:
    launches = list(point.launches(*paths))
    return sum(launch[0] * launch[1] for launch in launches), sum(launch[0] * launch[2] for launch in launches)


def _weights(point: Facts, paths: Sequence[str]) -> Any:
    """Add up the weights that run, each module once: of experts as few as one token chooses, of tables one row."""
    stocks = {stock.key: (node, stock) for node in point.nodes(*paths) for stock in node.stocks}
    total: Any = 0
    for node, stock in stocks.values():
        tensor = node.formula.tensors.get(stock.key.rpartition(".")[2])
        size = number(stock.weight_bytes, point.numbers) if tensor is None or tensor.runs else 0
        if node.formula.name == "embedding":
            size = exact(node.given["width"]) * _BF16
        elif ".experts." in f"{stock.key}.":
            size *= point.numbers["num_experts_per_tok"] / point.numbers["n_routed_experts"]
        total += size
    return total


def _pixels(point: Facts, paths: Sequence[str]) -> Any:
    """Count the pixels of the views."""
    of = point.numbers
    sides = {VIEWS[0]: of["crops"] * of["image_size"] ** 2, VIEWS[1]: of["base_size"] ** 2}
    return 3 * of["batch"] * sum(side for path, side in sides.items() if path in paths)


def views(point: Facts, paths: Sequence[str]) -> Work:
    """State what views and the projector need: features stay on the chip, the embeddings of image tokens do not."""
    tensor_core, cuda_core = _flops(point, paths)
    of = point.numbers
    return Work(
        tensor_core=tensor_core,
        cuda_core=cuda_core,
        read=_pixels(point, paths) * _BF16 + _weights(point, paths),
        written=of["batch"] * of["image_tokens"] * of["hidden_size"] * _BF16 if "projector" in paths else 0,
    )


def forward(point: Facts, stage: str, *, tokens: Any, past: Any, image_tokens: Any, each: int = _PER_SCORE) -> Work:
    """State what a forward of the decoder needs: of scores those of keys that a query sees."""
    of = point.numbers
    batch, width, layers = of["batch"], of["hidden_size"], of["num_hidden_layers"]
    tensor_core, cuda_core = _flops(point, (stage,))
    hidden = batch * layers * sum(range(int(tokens)))
    keys_and_values = 2 * layers * batch * width * _BF16
    return Work(
        tensor_core=tensor_core - 4 * width * hidden,
        cuda_core=cuda_core - each * of["num_attention_heads"] * hidden,
        read=batch * tokens * (_INT64 + (image_tokens > 0))
        + batch * image_tokens * width * _BF16
        + past * keys_and_values
        + _weights(point, (stage,)),
        written=tokens * keys_and_values + batch * tokens * of["vocab_size"] * _FP32,
    )


def lower_bounds() -> Iterator[Fact]:
    """Compare the bound of every phase, stage and the whole; it never exceeds the roofline where efficiencies are 1."""
    yield "phases", network().phases, PHASES
    free = page().numbers
    for name in ("prefill", "decode"):
        yield f"fewest experts of {name}", free[f"fewest_{name}_experts_hit"], free["num_experts_per_tok"]
    # That few experts, said: a fact is what bounds take, too.
    chosen = int(free["num_experts_per_tok"])
    routing = {"prefill_experts_hit": chosen, "decode_experts_hit": chosen}
    whole = page(**routing)
    start, count, images = (int(whole.numbers[name]) for name in ("prompt_tokens", "new_tokens", "image_tokens"))
    beginnings = [PHASES[0][: place + 1] for place in range(len(PHASES[0]))]
    seen = [views(whole, paths) for paths in beginnings]
    prefill = forward(whole, "prefill", tokens=start, past=0, image_tokens=images)
    # A decode step is the only one of a workload whose prompt is longer by the steps before it.
    decode = [
        forward(after, "decode", tokens=1, past=start + done, image_tokens=0)
        for done in range(count)
        for after in [page(**routing, new_tokens=1, prompt_tokens=start + done)]
    ]
    for machine in machines():
        point = on(whole, machine)
        crops, vision, all_views = (phase(point.numbers, work) for work in seen)
        stages = {"vision": vision, "projector": all_views - vision, "prefill": phase(point.numbers, prefill)}
        stages["decode"] = sum(phase(point.numbers, step) for step in decode)
        parts = {**stages, VIEWS[0]: crops, VIEWS[1]: vision - crops}
        for path, stated in parts.items():
            yield f"bound of {path}", point.given("lower_bound_s", path), stated
        yield "bound of the whole", point.given("lower_bound_s"), sum(stages.values())
    yield "bound below roofline", whole.given("lower_bound_s") <= whole.given("roofline_s"), True


def masked() -> Iterator[Fact]:
    """Compare prefill's bound where scores are masked: nobody needs those of keys that a query does not see."""
    chosen = int(page().numbers["num_experts_per_tok"])
    whole = page(attention="eager", prefill_experts_hit=chosen, decode_experts_hit=chosen, new_tokens=1)
    sizes = {"tokens": int(whole.numbers["prompt_tokens"]), "image_tokens": int(whole.numbers["image_tokens"])}
    work = forward(whole, "prefill", **sizes, past=0, each=_PER_MASKED)
    for machine in machines():
        point = on(whole, machine)
        yield "bound of a masked prefill", point.given("lower_bound_s", "prefill"), phase(point.numbers, work)


def fewest() -> Iterator[Fact]:
    """State the fewest experts of every layer that has some: those that one token chooses, and no more than rows."""
    for formula in load_library().formulas.values():
        if not isinstance(formula, Layer) or "experts_hit" not in formula.symbols:
            continue
        yield f"fewest of {formula.name}", set(formula.fewest), {"experts_hit"}
        for rows, chosen in ((1, 6), (5, 6), (6, 6), (7, 6), (40, 2)):
            given = dict.fromkeys(formula.symbols, 3) | {"rows": rows, "num_experts_per_tok": chosen}
            stated = min(rows, chosen) if "rows" in formula.symbols else chosen
            found = evaluate(formula.fewest["experts_hit"], given, arithmetic)
            yield f"fewest experts of {formula.name}", found, stated


def numbered() -> Iterator[Fact]:
    """State the numbers of layers, first and last."""
    sizes = {"clip_layers": 17, "num_hidden_layers": 7, "first_k_dense_replace": 3}
    stated = {
        ("notp_transformer", "layers.0-23"): [0, 16],
        ("deepseek_v2_model", "layers.0"): [0, 2],
        ("deepseek_v2_model", "layers.1-11"): [3, 6],
        ("layers_alike", "layers.0-31"): [0, 6],
        ("compiled_clip_blocks", "layers.0-23"): [0, 16],
        ("served_layers", "layers.0"): [0, 2],
        ("served_layers", "layers.1-11"): [3, 6],
        ("served_dense_layers", "layers.0-31"): [0, 6],
        ("served_sparse_layers", "layers.0-31"): [0, 6],
    }
    calls = {
        (formula.name, call.name): [evaluate(number, sizes, arithmetic) for number in call.numbers]
        for formula in load_library().formulas.values()
        for call in getattr(formula, "calls", ())
        if call.numbers
    }
    yield "numbers of layers", calls, stated
