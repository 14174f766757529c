"""LiteLLM's configuration, generated from a plan: every model it knows leads back to the gateway's `/upstream/` doors.

LiteLLM accepts any key in silence, so each key that stands here is one that the suite finds in LiteLLM's own source.
It translates and owns no policy: no retries, no cooldowns, no fallbacks, no caches, no callbacks.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from llm_router.routing.plan import Candidate, Plan, Upstream, Wire, deployment_name, route_id
from llm_router.translator.base import check_base

MASTER_KEY = "LITELLM_MASTER_KEY"
DOOR_KEY = "LLM_ROUTER_DOOR_KEY"
ANY_MODEL = "*"

HEADER = """\
# Written by llm-router from the active profile, anew at every change: edits here are lost.
# No secret stands in this file; keys are names of variables that LiteLLM gets at its start.
"""
LONGEST_REQUEST = 3600  # seconds; the gateway's own time-outs are shorter and decide

ROUTER_SETTINGS: Mapping[str, object] = {"num_retries": 0, "disable_cooldowns": True}
LITELLM_SETTINGS: Mapping[str, object] = {
    "drop_params": True,
    "num_retries": 0,
    "request_timeout": LONGEST_REQUEST,
    # Without it `responses/` is believed only for names that LiteLLM's price list does not know: a Claude or Gemini
    # name on an upstream that speaks nothing but `/v1/responses` was sent to its `/v1/chat/completions`.
    "route_all_chat_openai_to_responses": True,
    "use_chat_completions_url_for_anthropic_messages": True,
}
GENERAL_SETTINGS: Mapping[str, object] = {
    "forward_client_headers_to_llm_api": True,
    "master_key": f"os.environ/{MASTER_KEY}",
}
# What keeps a chat-only upstream to chat: each of these was seen to leave it otherwise, for a codex model, for
# GPT-5 with tools, for a Messages request with `thinking`. The dropped parameters are no part of the chat format.
_CHAT_ONLY: Mapping[str, object] = {"use_chat_completions_api": True, "_skip_responses_api_bridge": True}
_NO_CHAT_PARAMETERS = ("reasoning_summary", "thread")
# How LiteLLM must be told to speak each wire, and what follows the route in its base address.
_MODEL_PREFIX = {Wire.CHAT: "openai/", Wire.RESPONSES: "openai/responses/", Wire.MESSAGES: "anthropic/"}
_BASE_SUFFIX = {Wire.CHAT: "/v1", Wire.RESPONSES: "/v1", Wire.MESSAGES: ""}


def render(plan: Plan, base: Mapping[str, object]) -> bytes:
    """The YAML text of `runtime/litellm.active.yaml`; equal input gives equal bytes. Raises BadBase.

    `base` is `litellm.base` of the configuration: raw models and LiteLLM settings that are the user's own.
    """
    import yaml

    checked = check_base(base, reserved=routes(plan))
    body = {
        "model_list": [*deployments(plan), *(_raw(model) for model in checked.models)],
        "litellm_settings": {**checked.litellm_settings, **LITELLM_SETTINGS},
        "router_settings": {**checked.router_settings, **ROUTER_SETTINGS},
        "general_settings": dict(GENERAL_SETTINGS),
    }
    return (HEADER + yaml.safe_dump(body, sort_keys=True, allow_unicode=True, width=120)).encode()


def routes(plan: Plan) -> tuple[str, ...]:
    """The routes that lead from LiteLLM to an upstream, sorted."""
    return tuple(sorted(route_id(upstream.name, wire) for upstream, wire in _targets(plan)))


def deployments(plan: Plan) -> Iterator[dict[str, object]]:
    """A deployment for every candidate that may need translation, and one per route for any other model name."""
    for upstream, wire in sorted(_targets(plan), key=lambda target: target[0].name):
        for model in sorted({ANY_MODEL, *_models(plan, upstream)}):
            yield _deployment(Candidate(upstream.name, model), wire, gateway=_gateway_url(plan))


def _deployment(candidate: Candidate, wire: Wire, *, gateway: str) -> dict[str, object]:
    parameters: dict[str, object] = {
        "model": f"{_MODEL_PREFIX[wire]}{candidate.model}",
        "api_base": f"{gateway}/upstream/{route_id(candidate.upstream, wire)}{_BASE_SUFFIX[wire]}",
        "api_key": f"os.environ/{DOOR_KEY}",
    }
    if wire is Wire.CHAT:
        parameters |= {**_CHAT_ONLY, "additional_drop_params": list(_NO_CHAT_PARAMETERS)}
    return {"model_name": deployment_name(candidate, wire), "litellm_params": parameters}


def _raw(model: Mapping[str, object]) -> dict[str, object]:
    """A raw model as it is, except that our settings must not send one for some other server to `/v1/responses`."""
    parameters = model["litellm_params"]
    if not isinstance(parameters, Mapping):
        raise TypeError("a checked model has parameters")
    name = str(parameters["model"])
    speaks_chat = name.startswith("openai/") and not name.startswith("openai/responses/") and "api_base" in parameters
    return {**model, "litellm_params": {**(_CHAT_ONLY if speaks_chat else {}), **parameters}}


def _targets(plan: Plan) -> Iterator[tuple[Upstream, Wire]]:
    for upstream in plan.upstreams.values():
        wire = upstream.translation_wire()
        if wire is not None and upstream.kind != "litellm":
            yield upstream, wire


def _models(plan: Plan, upstream: Upstream) -> Iterable[str]:
    yield from upstream.models
    for model in plan.models:
        yield from (candidate.model for candidate in model.candidates if candidate.upstream == upstream.name)


def _gateway_url(plan: Plan) -> str:
    """Where a process of this machine reaches the gateway, also when it listens on every address."""
    host = plan.gateway.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{plan.gateway.port}"
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{plan.gateway.port}" if address.version == 6 else f"http://{host}:{plan.gateway.port}"
