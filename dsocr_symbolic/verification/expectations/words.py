"""What the model file says of the network in words: defaults, workloads, roles, servers."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.server_file import load_server
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_bound, load_time, timed
from dsocr_symbolic.network.timeline import DEVICE
from dsocr_symbolic.verification.expectations.layout import image_tokens, pages
from dsocr_symbolic.verification.expectations.machine import Fact, network, values
from dsocr_symbolic.verification.expectations.sizes import published


def defaults() -> Iterator[Fact]:
    """State how the network is shipped and run: bf16, fused attention, one expert after the other, all logits."""
    definition = network()
    shipped = {"attention": "flash", "logits": "all", "experts": "loop", "precision": "plain"}
    shipped |= {"train": "decoder", "host": "eager"}
    shipped |= {"execution": "checkpoint", "cache": "grown", "kernels": "eager", "vision": "eager"}
    shipped |= dict.fromkeys(("weight-dtype", "activation-dtype", "kv-dtype"), "bf16")
    yield "defaults", {name: choice.default for name, choice in definition.choices.items()}, shipped
    served = definition.choices["execution"].options
    bundle = {"attention": "flash", "logits": "last", "experts": "grouped", "cache": "paged"}
    bundle |= {"kernels": "compiler", "vision": "compiled", "host": "graph-decode"}
    yield "what a server chooses", served["served"].choices, bundle
    yield "what a checkpoint chooses", served["checkpoint"].choices, {}
    most = {name: evaluate(value, {}, arithmetic) for name, value in served["served"].documents.items()}
    yield "pages of a server", most, {"max_crops": 6}
    yield "pages of a checkpoint", served["checkpoint"].documents, {}
    yield "default workload", definition.default_workload, "gundam"
    yield "default GPU", definition.default_gpu, "rtx5090"


# Named workload -> view, columns and rows of crops of 640 pixels, image tokens; those of the paper for its modes.
_WORKLOADS = {
    "tiny": (512, 0, 0, 73),
    "small": (640, 0, 0, 111),
    "base": (1024, 0, 0, 273),
    "large": (1280, 0, 0, 421),
    "gundam": (1024, 3, 2, 893),
    "gundam-served": (1024, 3, 2, 893),
    "dsocr-standard-v1": (1024, 2, 2, 693),
    "dsocr-standard-v2": (1024, 2, 2, 693),
}


def workloads() -> Iterator[Fact]:
    """State views, grids and tokens of the named workloads."""
    definition = network()
    yield "workloads", set(definition.workloads), set(_WORKLOADS)
    for name, (view, columns, rows, tokens) in _WORKLOADS.items():
        workload = definition.workloads[name]
        yield f"document of {name}", workload.document, "crop" if columns else "native"
        resolver = values(workload.values)
        stated = {
            "base_size": view,
            "image_size": 640,
            "crop_columns": columns,
            "crop_rows": rows,
            "image_tokens": tokens,
        }
        stated["text_tokens"] = 0 if name == "dsocr-standard-v1" else 10
        stated["prompt_tokens"] = 512 if name == "dsocr-standard-v1" else tokens + 10
        stated |= {"batch": 1, "new_tokens": 512, "max_crops": 6 if name == "gundam-served" else 9}
        yield name, {symbol: resolver.value(symbol) for symbol in stated}, stated
        yield f"tokens of {name}", image_tokens(view, 640, columns, rows), tokens
        yield f"names of {name}", set(workload.values), _own(name)


def _own(name: str) -> set[str]:
    """Return what a named workload says itself, whether or not the network's default is the same."""
    profile = {"text_tokens", "prompt_tokens"} if name == "dsocr-standard-v1" else set()
    served = {"max_crops"} if name == "gundam-served" else set()
    return {"crop_columns", "crop_rows"} | profile | served if _WORKLOADS[name][1] else {"base_size"}


def roles() -> Iterator[Fact]:
    """State which symbols play which part."""
    played = network().roles
    named = {name: getattr(played, name) for name in ("batch", "prompt_tokens", "image_tokens", "new_tokens")}
    yield "roles", named, {name: name for name in named}
    yield "experts hit", played.hit, ("prefill_experts_hit", "decode_experts_hit")
    yield "free symbols", played.free, ("batch", "crops", "image_tokens", "prompt_tokens", "new_tokens")
    crops = played.crops
    assert crops is not None  # noqa: S101 - a network without crops contradicts
    cut = (crops.columns, crops.rows, crops.number, crops.side, crops.uncut, crops.least, crops.most)
    yield "crops", cut, ("crop_columns", "crop_rows", "crops", "image_size", 640, 2, "max_crops")
    # What is not cut becomes the global view, but a page of one small view is squashed to the side of a crop first.
    yield "views", (crops.whole, crops.squash), ("base_size", 640)
    yield "who cuts", set(crops.cut_by), {"9", "6"}


def identity() -> Iterator[Fact]:
    """State what reports say of the network, for a few pages."""
    definition = network()
    told = definition.identity
    assert told is not None  # noqa: S101 - a network that says nothing contradicts
    yield "vision backbone", told.vision_backbone, "vision"
    sizes = published()
    for page in (*pages(6, seed=1), {**next(pages(1)), "crop_columns": 1, "crop_rows": 1}):
        resolver = values(page)
        scope = {name: resolver.value(name) for name in definition.quantities if name != "capacity"}
        said = {name: evaluate(formula, scope, arithmetic) for name, formula in {**told.model, **told.workload}.items()}
        stated = {name: sizes[name] for name in ("hidden_size", "intermediate_size", "num_attention_heads")}
        stated |= {"num_layers": sizes["num_hidden_layers"], "seq_len": scope["image_tokens"] + page["text_tokens"]}
        stated |= {"base_size": page["base_size"], "image_size": page["image_size"]}
        stated |= {"crop_mode": int(page["crop_columns"] * page["crop_rows"] > 0), "num_pages": page["batch"]}
        yield f"identity of {page}", said, {**stated, "max_new_tokens": page["new_tokens"]}


def servers() -> Iterator[Fact]:
    """State what a server does with memory, for some machines and workloads, pools that are empty included."""
    server = network().server
    assert server is not None  # noqa: S101 - a network that no server runs contradicts
    for share, taken, batch, tokens in ((0.5, 900, 1, (7, 3)), (0.9, 1000, 2, (100, 1)), (0.75, 480, 3, (0, 9))):
        scope: dict[str, Any] = {"memory_utilisation": Fraction(share), "process_memory": taken, "chunk_tokens": 11}
        scope |= {"prompt_tokens": tokens[0], "new_tokens": tokens[1], "batch": batch, "cached_tokens": 2}
        scope |= {"page_tokens": 2, "max_num_seqs": 9, "max_model_len": 7, "graph_bytes": 5, "new_tokens_spread": 0}
        scope |= {"weight_bytes": Fraction(301, 2), "activation_bytes": 210, "kv_cache_bytes": 13}
        forward = {name: evaluate(formula, scope, arithmetic) for name, formula in server.forward.items()}
        yield "a server's forward", forward, {"batch": 1, "prompt_tokens": 11, "logits_of_all": 0}
        memory = Fraction(share) * taken
        left = math.floor(memory - Fraction(301, 2) - 210 - 5)
        pages = math.floor(Fraction(max(left, 0) * batch * sum(tokens), 2 * 13))
        inside = math.ceil(Fraction(sum(tokens) - 2, 2))
        requests = min(Fraction(9), Fraction(max(pages - 1, 0), inside))
        stated = {"memory_bytes": memory, "bytes": left, "pages": pages, "tokens": 2 * pages, "requests": requests}
        stated |= {"largest_batch": math.floor(requests), "longest_requests": Fraction(pages, 4)}
        found: dict[str, Any] = {}
        for name, formula in load_server().holds.items():
            found[name] = evaluate(formula, {**scope, **found}, arithmetic)
        yield "a server's memory", {name: found[name] for name in stated}, stated


# Metric -> what server.yaml calls it.
_HELD = {
    "kv_pool_tokens": "tokens",
    "kv_pool_pages": "pages",
    "kv_pool_requests": "requests",
    "preempted_share": "preempted",
}


def batches() -> Iterator[Fact]:
    """State what metrics ask of a server, and what a batch whose pages begin and end together gives in a second."""
    held = {name: metric.takes for name, metric in load_metrics().items() if metric.kind == "server"}
    yield "what a server holds, by metric", held, _HELD
    batch, seconds, steps, price, power = 6, 120, 9, 3, 500
    stated = {
        "pages_per_s": Fraction(batch, seconds),
        "tokens_per_s": Fraction(batch * (steps + 1), seconds),
        # An hour has 3,600 seconds; a board at its power draws joules.
        "cost_per_1000_pages": Fraction(price * seconds * 1000, 3600 * batch),
        "energy_per_1000_pages": Fraction(power * seconds * 1000, batch),
    }
    asked = {name: metric for name, metric in load_metrics().items() if metric.latency in stated}
    yield (
        "what a batch gives, by metric",
        {name: metric.latency for name, metric in asked.items()},
        {name: name for name in stated},
    )
    yield "of which seconds", {metric.of for metric in asked.values()}, {"wall_s"}
    yield "kinds of these", {metric.kind for metric in asked.values()}, {"latency"}
    scope: dict[str, Any] = {stage: Fraction(seconds, 4) for stage in ("vision", "projector", "prefill", "decode")}
    scope |= {"batch": batch, "new_tokens": steps, "price_per_hour": price, "board_power": power}
    found = {name: evaluate(network().latencies[name], scope, arithmetic) for name in stated}
    yield "what a batch gives", found, stated


def twins() -> Iterator[Fact]:
    """State which metric a time metric becomes under the other time, and which ones bound."""
    yield (
        "metrics of times",
        [load_time(name).metric for name in ("roofline", "lower_bound")],
        ["roofline_s", "lower_bound_s"],
    )
    timed_metrics = (metric for metric in load_metrics().values() if metric.kind in ("time", "bound"))
    summed = {metric.name: metric.takes for metric in timed_metrics if metric.takes != DEVICE}
    yield (
        "what times take",
        {name: load_time(takes).metric for name, takes in summed.items()},
        {name: name for name in summed},
    )
    yield "what times are of", [load_time(name).of for name in ("roofline", "lower_bound")], ["launch", "phase"]
    yield "roofline", timed("roofline_s", "lower_bound"), "lower_bound_s"
    for name in ("ttft", "tpot"):
        yield name, timed(f"{name}_s", "lower_bound"), f"{name}_lower_bound_s"
        yield f"bound of {name}", (is_bound(f"{name}_s"), is_bound(f"{name}_lower_bound_s")), (False, True)
    yield "bytes", timed("forward_io_bytes", "lower_bound"), "forward_io_bytes"
