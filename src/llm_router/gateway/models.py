"""The model lists: what can be asked now, in the shape the client's SDK reads."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from llm_router.gateway.state import Snapshot
from llm_router.routing.plan import Plan, Wire

OWNER = "llm-router"
# Lists of the real services carry a date for each model; ours have none, and a constant keeps equal lists equal.
_CREATED = 1_700_000_000


def reachable(snapshot: Snapshot) -> list[str]:
    """The model names that at least one usable candidate stands behind."""
    plan = snapshot.plan
    return [
        name
        for name in plan.aliases()
        if any(snapshot.is_usable(plan.upstreams[candidate.upstream]) for candidate in plan.candidates(name))
    ]


def list_body(names: Sequence[str], *, anthropic: bool) -> bytes:
    """`GET /v1/models`."""
    if anthropic:
        body: dict[str, object] = {
            "data": [_anthropic_model(name) for name in names],
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    else:
        body = {"object": "list", "data": [_openai_model(name) for name in names]}
    return json.dumps(body).encode()


def model_body(name: str, *, anthropic: bool) -> bytes:
    """`GET /v1/models/<name>`."""
    return json.dumps(_anthropic_model(name) if anthropic else _openai_model(name)).encode()


def lanes_body(snapshot: Snapshot) -> bytes:
    """`GET /router/models`: every alias and glob with its candidates, and the lane each wire takes to them."""
    plan = snapshot.plan
    rows = [
        {
            "model": model.pattern,
            "candidates": [
                {
                    "candidate": str(candidate),
                    "usable": snapshot.is_usable(plan.upstreams[candidate.upstream]),
                    "lanes": {wire.value: lane.value for wire in Wire if (lane := plan.lane(candidate, wire))},
                }
                for candidate in model.candidates
            ],
        }
        for model in plan.models
    ]
    return json.dumps({"profile": plan.profile, "models": rows}).encode()


def near_names(plan: Plan) -> list[str]:
    """Every name that a mistyped model may have meant: aliases and globs."""
    return list(dict.fromkeys([*plan.aliases(), *(model.pattern for model in plan.models)]))


def _openai_model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": OWNER}


def _anthropic_model(name: str) -> dict[str, object]:
    created = datetime.fromtimestamp(_CREATED, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": name, "display_name": name, "created_at": created}
