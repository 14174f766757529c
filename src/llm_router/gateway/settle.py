"""From a plan to a snapshot: the gateway is the one process that resolves references to secrets."""

from collections.abc import Mapping
from typing import Any

from llm_router.errors import RouterError
from llm_router.gateway.state import Problem, Snapshot, Translator, digest
from llm_router.home import Home
from llm_router.routing.plan import Plan
from llm_router.secrets.client_keys import load_client_keys
from llm_router.secrets.secret import Secret
from llm_router.secrets.store import resolve


def settle(plan: Plan, endpoints: Mapping[str, str], home: Home, environ: Mapping[str, str]) -> Snapshot:
    """Resolve a plan's secrets; what cannot be resolved becomes a problem, and the rest goes on working."""
    problems: list[Problem] = []

    def read(reference: str) -> Secret | None:
        try:
            return resolve(reference, home=home, environ=environ)
        except RouterError as error:
            problems.append(_problem(error))
            return None

    credentials = {up.name: secret for up in plan.upstreams.values() if up.key and (secret := read(up.key)) is not None}
    keys = load_client_keys(home, plan.gateway.client_keys, environ)
    problems += [_problem(error) for error in keys.problems]
    return Snapshot(
        plan=plan,
        credentials=credentials,
        keys=keys,
        endpoints=dict(endpoints),
        problems=tuple(problems),
    )


def _problem(error: RouterError) -> Problem:
    return Problem(error.code, error.message, error.hints[0] if error.hints else "")


def translator_from(message: Mapping[str, Any] | None, snapshot: Snapshot) -> Translator | None:
    """The translator of a `configure` message. Raises KeyError or ValueError."""
    if message is None:
        return None
    return Translator(
        generation=int(message["generation"]),
        base_url=str(message["base_url"]),
        api_key=Secret(str(message["api_key"])),
        door_digest=digest(str(message["door_key"])),
        snapshot=snapshot,
    )
