"""What can be asked, and through which lane: told by the gateway when it runs, else by the plan."""

from dataclasses import dataclass
from typing import Any

import httpx

from llm_router.control.endpoint import Endpoint
from llm_router.routing.plan import Candidate, Plan, Wire
from llm_router.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class ReachableModel:
    """One alias or glob and one of the candidates behind it."""

    model: str
    candidate: str
    lanes: dict[str, str]  # wire -> lane
    usable: bool | None  # None: the gateway does not run, so nobody knows

    def as_json(self) -> dict[str, object]:
        """A row of `router models --json`."""
        return {"model": self.model, "candidate": self.candidate, "lanes": self.lanes, "usable": self.usable}


def list_models(endpoint: Endpoint, key: Secret | None) -> list[ReachableModel]:
    """Every alias, glob and listed model with its candidates, in the order of the configuration."""
    told = _ask(endpoint, key) if key is not None else None
    if told is None:
        return _from_plan(endpoint.plan)
    return [
        ReachableModel(row["model"], held["candidate"], held["lanes"], held["usable"])
        for row in told["models"]
        for held in row["candidates"]
    ]


def _ask(endpoint: Endpoint, key: Secret) -> dict[str, Any] | None:
    headers = {"authorization": f"Bearer {key.reveal()}"}
    try:
        reply = httpx.get(f"{endpoint.url}/router/models", headers=headers, timeout=2.0, trust_env=False)
    except httpx.TransportError:
        return None
    told: dict[str, Any] | None = reply.json() if reply.is_success else None
    return told


def _from_plan(plan: Plan) -> list[ReachableModel]:
    return [
        ReachableModel(model.pattern, str(candidate), _lanes(plan, candidate), None)
        for model in plan.models
        for candidate in model.candidates
    ]


def _lanes(plan: Plan, candidate: Candidate) -> dict[str, str]:
    return {wire.value: lane.value for wire in Wire if (lane := plan.lane(candidate, wire)) is not None}
