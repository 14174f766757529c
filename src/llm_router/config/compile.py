"""Settings and one profile compiled into a plan: pure values, references instead of secrets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_router.config.checks import RAW_PROVIDER, WIRES
from llm_router.config.literals import LITELLM_REFERENCE
from llm_router.config.schema import SANDBOX_URL, ProfilePart, ProviderPart, ServicePart, Settings
from llm_router.errors import UnknownName
from llm_router.routing.plan import (
    Candidate,
    GatewaySettings,
    Model,
    Plan,
    Policy,
    Service,
    Timeouts,
    TranslatorSettings,
    Upstream,
)
from llm_router.routing.shared_state import SharedState

BASE_URLS = {
    "sandbox": SANDBOX_URL,
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
_VARIABLE = re.compile(re.escape(LITELLM_REFERENCE) + r"([A-Za-z_][A-Za-z0-9_]*)")


def compile_plan(settings: Settings, profile: str) -> Plan:
    """The plan of one profile; the translator's digest is left empty. Raises UnknownName."""
    if profile not in settings.profiles:
        raise UnknownName("profile", profile, settings.profiles)
    chosen = settings.profiles[profile]
    base = settings.litellm_base(profile)
    upstreams = {name: _upstream(name, provider) for name, provider in settings.providers.items()}
    if base.get("model_list"):
        raw = tuple(dict.fromkeys(_raw_names(base)))
        upstreams[RAW_PROVIDER] = Upstream(name=RAW_PROVIDER, kind="litellm", base_url="", wires=(), models=raw)
    models = tuple(_models(settings, chosen))
    return Plan(
        profile=profile,
        gateway=_gateway(settings),
        translator=TranslatorSettings(
            enabled=settings.litellm.enabled, port=settings.litellm.port, environment=tuple(sorted(_variables(base)))
        ),
        upstreams=upstreams,
        models=models,
        policy=_policy(chosen, {model.pattern for model in models}, upstreams),
        services=tuple(_service(name, service) for name, service in settings.services.items()),
        prices={name: price.model_dump(exclude_none=True) for name, price in settings.prices.items()},
        state=SharedState(settings.state, settings.state_password or "", settings.state_prefix),
        ledger_days=settings.ledger.retention_days,
    )


def _gateway(settings: Settings) -> GatewaySettings:
    gateway = settings.gateway
    return GatewaySettings(
        host=gateway.host,
        port=gateway.port,
        workers=gateway.workers,
        max_body_bytes=gateway.max_body_bytes,
        allowed_hosts=gateway.allowed_hosts,
        allowed_origins=gateway.allowed_origins,
        client_keys=gateway.client_keys,
        timeouts=Timeouts(**gateway.timeouts.model_dump()),
    )


def _upstream(name: str, provider: ProviderPart) -> Upstream:
    return Upstream(
        name=name,
        kind=provider.kind,
        base_url=provider.base_url or BASE_URLS[provider.kind],
        wires=tuple(dict.fromkeys(provider.wires or WIRES[provider.kind])),
        key=provider.key or "",
        headers=dict(provider.headers),
        models=tuple(dict.fromkeys(provider.models)),
        billing=provider.billing,
        weight=provider.weight,
    )


def _raw_names(base: Mapping[str, Any]) -> Iterator[str]:
    """The names of raw models; a pattern can be asked for, but not listed."""
    return (model["model_name"] for model in base["model_list"] if "*" not in model["model_name"])


def _models(settings: Settings, profile: ProfilePart) -> Iterator[Model]:
    for pattern, candidates in {**settings.models, **profile.models}.items():
        yield Model(pattern, tuple(dict.fromkeys(_candidate(text) for text in candidates)))


def _candidate(text: str) -> Candidate:
    upstream, _, model = text.partition("/")
    return Candidate(upstream, model)


def _policy(profile: ProfilePart, aliases: set[str], upstreams: Mapping[str, Upstream]) -> Policy:
    """The numbers of a profile; a fallback that ships for a model that is not configured is left out."""
    known = {
        alias: other
        for alias, other in profile.fallbacks.items()
        if alias in aliases and (other in aliases or other.partition("/")[0] in upstreams)
    }
    return Policy(
        retries=profile.retries,
        failures_until_degraded=profile.failures_until_degraded,
        cooldown=profile.cooldown,
        cooldown_cap=profile.cooldown_cap,
        strategy=profile.strategy,
        affinity=profile.affinity,
        plan_to_paid=profile.plan_to_paid,
        fallbacks=known,
    )


def _service(name: str, service: ServicePart) -> Service:
    return Service(
        name=name,
        command=service.command,
        cwd=service.cwd,
        environment=dict(service.environment),
        host=service.host,
        port=service.port,
        readiness_path=service.readiness_path or "",
        depends_on=service.depends_on,
    )


def _variables(value: object) -> set[str]:
    """The environment variables that LiteLLM's own settings name."""
    if isinstance(value, str):
        return {found[1]} if (found := _VARIABLE.fullmatch(value)) else set()
    if isinstance(value, Mapping):
        return set().union(*(_variables(held) for held in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(_variables(held) for held in value))
    return set()
