"""From a plan to a snapshot: the gateway is the one process that resolves references to secrets."""

from collections.abc import Mapping
from typing import Any

from llm_router.errors import RouterError
from llm_router.gateway.state import Problem, Snapshot, Translator, digest
from llm_router.home import Home
from llm_router.routing.plan import Plan
from llm_router.secrets.secret import Secret
from llm_router.secrets.store import resolve


def settle(plan: Plan, endpoints: Mapping[str, str], home: Home, environ: Mapping[str, str]) -> Snapshot:
    """Resolve a plan's secrets; what cannot be resolved becomes a problem, and the rest goes on working."""
    problems: list[Problem] = []

    def read(reference: str) -> Secret | None:
        try:
            return resolve(reference, home=home, environ=environ)
        except RouterError as error:
            problems.append(Problem(error.code, error.message, error.hints[0] if error.hints else ""))
            return None

    credentials = {up.name: secret for up in plan.upstreams.values() if up.key and (secret := read(up.key)) is not None}
    keys = [secret for reference in plan.gateway.client_keys if (secret := read(reference)) is not None]
    return Snapshot(
        plan=plan,
        credentials=credentials,
        key_digests=tuple(digest(key.reveal()) for key in keys),
        endpoints=dict(endpoints),
        problems=tuple(problems),
    )


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
