"""A plan as plain data: every number with what is known of it."""

from typing import Any

from attrs import asdict

from dsocr_symbolic.questions.plan.hosting import HostWork
from dsocr_symbolic.questions.plan.planning import Offer, Plan, exceeded

SCHEMA_VERSION = 1
# How each number is known. 'constants' of steps are measured on the GPU, or follow from those of another one.
_COUNTED, _BOUND, _GIVEN = "counted", "bound", "given"


def plan_document(plan: Plan) -> dict[str, Any]:
    """Lay out everything that a plan says, JSON-ready."""
    demand, wishes = plan.demand, plan.wishes
    return {
        "schema_version": SCHEMA_VERSION,
        "demand": {
            "pages_per_day": None if demand.pages_per_s is None else demand.pages_per_s * 86400,
            "pages": demand.pages,
            "kinds": [{"name": kind.name, "share": kind.share} for kind in demand.kinds],
            "new_tokens": {key: getattr(demand.answers, key) for key in ("mean", "spread", "longest")},
            "chunk_tokens": plan.asked.chunk,
            "longest_prompt": plan.asked.longest_prompt,
        },
        "host": None if demand.host is None else _host(demand.host),
        "host_reason": demand.unhosted or None,
        "limits": {key: getattr(wishes, key) for key in ("ttft_s", "tpot_s", "concurrency", "utilisation")},
        "merged": wishes.merged,
        "offers": [_offer(offer) | {"exceeded_at_load": list(exceeded(offer, plan))} for offer in plan.offers],
        "moves": [asdict(move) for move in plan.moves],
        "simulated": None if plan.seen is None else asdict(plan.seen, filter=lambda field, _: field.name != "drawn"),
        "refused": dict(plan.refused),
    }


def _host(host: HostWork) -> dict[str, Any]:
    return {
        "host_s": host.host_s,
        "spread": host.spread,
        "cores": host.cores,
        "pages": len(host.seconds) or None,
        "unknown": dict(host.unknown),
        "source": host.source,
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "gpu": offer.gpu,
        "title": offer.title,
        "gpus": int(offer.numbers["gpus"]),
        **{key: offer.numbers.get(key) for key in _FLEET},
        "price_per_hour": offer.price_per_hour,
        "concurrency": offer.choice.concurrency,
        "held_by": offer.choice.held_by,
        "knee": offer.choice.knee,
        "bound_by": offer.bound_by,
        "shares": dict(offer.shares),
        "full": asdict(offer.choice.full),
        "planned": asdict(offer.planned),
        "memory": None if offer.pool is None else asdict(offer.pool),
        "host": {key: offer.host.get(key) for key in _HOST} if offer.host else None,
        "launch": offer.launch,
        "known": known(offer),
    }


_FLEET = (
    "arrivals_per_s",
    "pages_per_s",
    "pages_per_day",
    "tokens_per_s",
    "headroom",
    "cost_per_1000_pages",
    "energy_per_1000_pages",
)


_HOST = (
    "cores_busy",
    "cores_enough",
    "prepared_per_s",
    "planned_cores_busy",
    "planned_core_load",
    "planned_core_wait_s",
)


def known(offer: Offer) -> dict[str, str]:
    """Say of each number how it is known."""
    seconds = dict.fromkeys(
        ("gpus", "pages_per_day", "tokens_per_s", "full", "planned", "knee", "shares"), offer.origin
    )
    rest = {"cost_per_1000_pages": offer.origin, "energy_per_1000_pages": _BOUND, "price_per_hour": _GIVEN}
    host = {"host": "calibrated"} if offer.host else {}
    return {**seconds, **rest, **host, "memory": _COUNTED}
