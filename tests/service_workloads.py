"""Random servers below the knee, for formulas against a simulation of the same engine."""

from random import Random
from typing import Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.plan import steady
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.simulation import Engine, Simulated, simulate

HELD = ("requests_per_s", "ttft_s", "tpot_s")


@frozen(kw_only=True)
class Server:
    """A server with its load."""

    engine: Engine
    concurrency: int
    arrivals_per_s: float | None
    encode_s: float
    prefill_s: float
    floor_s: float
    slope_s: float
    saved_s: float = 0.0


def draw(seed: int, *, merged: bool = False) -> Server:
    """Draw a server: what steps take, pages of two kinds, answers, and a load below the knee.

    ``merged`` puts a chunk and a decode step in one forward, which takes up to 90 % of a step for one request less.
    """
    lots = Random(seed)
    kept = Random(seed + 1).uniform(0.1, 0.9)
    while True:
        floor = lots.uniform(0.004, 0.03)
        slope = floor * lots.uniform(0.002, 0.05)
        chunks = lots.choice((1, 1, 1, 2, 4))
        encode, prefill = lots.uniform(0.0, 0.15), lots.uniform(0.01, 0.1)
        share, odd = lots.uniform(0.1, 0.9), lots.uniform(0.5, 1.5)
        answers = Answers(mean=float(lots.randint(100, 1000)), spread=lots.choice((0.0, 0.25, 0.5, 1.0)), longest=0)
        # The second kind has less vision or more of it; the mean stays.
        other = (1 - share * odd) / (1 - share)
        if other <= 0.2:
            continue
        saved = kept * min(floor, prefill / chunks) if merged else 0.0
        prompts = tuple((encode * part + prefill / chunks, *[prefill / chunks] * (chunks - 1)) for part in (odd, other))
        engine = Engine(
            prompts=prompts,
            shares=(share, 1 - share),
            step_s=lambda batch, floor=floor, slope=slope: floor + slope * batch,  # type: ignore[misc]
            answers=answers,
            saved_s=(lambda _, saved=saved: saved) if merged else None,  # type: ignore[misc]
        )
        most = 256
        made: dict[str, Any] = {
            "engine": engine,
            "encode_s": encode,
            "prefill_s": prefill,
            "floor_s": floor,
            "slope_s": slope,
            "saved_s": saved,
        }
        top = formulas(Server(**made, concurrency=most, arrivals_per_s=None), answers)
        alone = encode + prefill + answers.mean * (floor + slope)
        if lots.random() < 0.5:
            knee = top["requests_per_s"] * alone
            server = Server(**made, concurrency=max(1, round(knee * lots.random())), arrivals_per_s=None)
        else:
            rate = top["requests_per_s"] * lots.uniform(0.05, load_service().knee.load)
            server = Server(**made, concurrency=most, arrivals_per_s=rate)
        if formulas(server, answers)["busy"] <= load_service().knee.busy:
            return server


def formulas(server: Server, answers: Answers, arrivals_per_s: float | None = None) -> dict[str, float]:
    """Return what the formulas say, at lengths and arrivals as they were drawn."""
    engine = server.engine
    works = np.array([sum(prompt) for prompt in engine.prompts])
    mean = float(works @ np.array(engine.shares))
    inputs: dict[str, Any] = {
        "concurrency": np.array([[float(server.concurrency)]]),
        "new_tokens": answers.mean,
        "spread": answers.spread,
        "encode_s": server.encode_s,
        "prefill_s": server.prefill_s,
        "work_spread": float(np.sqrt(((works - mean) ** 2) @ np.array(engine.shares))) / mean,
        "chunks": float(len(engine.prompts[0])),
        "merged": float(engine.saved_s is not None),
    }

    def step_s(batch: Any) -> Any:
        return server.floor_s + server.slope_s * batch

    def saved_s(batch: Any) -> Any:
        return np.full_like(batch, server.saved_s)

    if server.arrivals_per_s is None:
        found = steady.closed(inputs, step_s, saved_s)
    else:
        inputs["arrivals_per_s"] = np.array([[arrivals_per_s or server.arrivals_per_s]])
        found = steady.open_loop(inputs, step_s, server.concurrency, saved_s)
    return {name: float(np.ravel(found[name])[0]) for name in (*HELD, "busy")}


def errors(server: Server, requests: int, seed: int) -> tuple[dict[str, float], Simulated]:
    """Return by how much the formulas miss what a simulation saw, as shares of it."""
    seen = simulate(
        server.engine,
        concurrency=server.concurrency,
        arrivals_per_s=server.arrivals_per_s,
        requests=requests,
        seed=seed,
    )
    said = formulas(server, seen.drawn, seen.requests_per_s)
    return {name: said[name] / getattr(seen, name) - 1 for name in HELD}, seen
