"""`litellm.base`: the part of LiteLLM's configuration that is the user's own, and what may not stand in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llm_router.errors import UsageError

REFERENCE = "os.environ/"

# Decisions that the gateway alone makes. What stands in `base` is dropped, so that an older configuration still works.
_OWNED_BY_THE_GATEWAY = frozenset(
    {
        "allowed_fails",
        "allowed_fails_policy",
        "content_policy_fallbacks",
        "context_window_fallbacks",
        "cooldown_time",
        "default_fallbacks",
        "disable_cooldowns",
        "enable_weighted_failover",
        "fallbacks",
        "max_fallbacks",
        "model_group_retry_policy",
        "num_retries",
        "num_retries_per_request",
        "provider_budget_config",
        "request_timeout",
        "retry_after",
        "retry_policy",
        "stream_timeout",
        "timeout",
    }
)
# Ways by which questions and answers would leave for a place that the router knows nothing of.
_LEAKS = frozenset(
    {
        "alerting",
        "alerting_config",
        "audit_log_callbacks",
        "cache",
        "cache_kwargs",
        "cache_params",
        "cache_responses",
        "callbacks",
        "custom_provider_map",
        "database_url",
        "failure_callback",
        "guardrails",
        "input_callback",
        "master_key",
        "pass_through_endpoints",
        "plugins",
        "post_call_rules",
        "pre_call_rules",
        "redis_host",
        "redis_password",
        "redis_port",
        "redis_url",
        "s3_callback_params",
        "service_callback",
        "store_model_in_db",
        "success_callback",
    }
)
_SECRET_ENDINGS = ("api_key", "_token", "_secret", "password", "_credentials", "secret_access_key", "access_key_id")


class BadBase(UsageError):
    """`litellm.base` holds something that LiteLLM must not be given."""

    code = "config.litellm_base"

    def __init__(self, path: str, reason: str, *, hint: str) -> None:
        """`path` is the key's place in the configuration, e.g. `litellm.base.model_list[0]`."""
        self.path = path
        super().__init__(f"`{path}` {reason}", hints=[hint], unharmed="What runs keeps running as it was")


@dataclass(frozen=True, slots=True)
class Base:
    """The user's part, checked: raw models in their order, and settings without those that the router sets itself."""

    models: tuple[Mapping[str, object], ...]
    litellm_settings: Mapping[str, object]
    router_settings: Mapping[str, object]


def check_base(base: Mapping[str, object], *, reserved: Sequence[str] = ()) -> Base:
    """Decode `litellm.base`; `reserved` are the routes whose names raw models may not take. Raises BadBase."""
    for key in base:
        if key not in {"model_list", "litellm_settings", "router_settings"}:
            raise BadBase(
                f"litellm.base.{key}",
                "is not read",
                hint="`litellm.base` holds model_list, litellm_settings and router_settings",
            )
    return Base(
        models=tuple(_models(base.get("model_list"), reserved)),
        litellm_settings=_settings(base.get("litellm_settings"), "litellm.base.litellm_settings"),
        router_settings=_settings(base.get("router_settings"), "litellm.base.router_settings"),
    )


def named_variables(base: Mapping[str, object]) -> tuple[str, ...]:
    """The environment variables that `base` refers to as `os.environ/NAME`, sorted."""
    texts = [text for _, text in _texts(base, "")]
    return tuple(sorted({text.removeprefix(REFERENCE) for text in texts if text.startswith(REFERENCE)}))


def _models(listed: object, reserved: Sequence[str]) -> Iterator[Mapping[str, object]]:
    if listed is None:
        return
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise BadBase("litellm.base.model_list", "is not a list", hint="Give it a list of LiteLLM models")
    for number, model in enumerate(listed):
        path = f"litellm.base.model_list[{number}]"
        name = model.get("model_name") if isinstance(model, Mapping) else None
        parameters = model.get("litellm_params") if isinstance(model, Mapping) else None
        if not isinstance(name, str) or not isinstance(parameters, Mapping) or not parameters.get("model"):
            raise BadBase(path, "is no LiteLLM model", hint="Each needs `model_name` and `litellm_params.model`")
        if any(name.startswith(f"{route}/") for route in reserved):
            raise BadBase(f"{path}.model_name", f"is taken: `{name}` names a route of the router", hint="Rename it")
        _refuse_literal_secrets(model, path)
        yield {str(key): _plain(value) for key, value in model.items()}


def _settings(settings: object, path: str) -> Mapping[str, object]:
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise BadBase(path, "is not a mapping", hint="Give it LiteLLM settings by name")
    for key in settings:
        if key in _LEAKS:
            raise BadBase(
                f"{path}.{key}",
                "would let LiteLLM keep or send data beside the router",
                hint="Remove it: the router's own events and keys take its place",
            )
    _refuse_literal_secrets(settings, path)
    return {key: _plain(value) for key, value in settings.items() if key not in _OWNED_BY_THE_GATEWAY}


def _plain(value: object) -> object:
    """The value as YAML writes it: dicts and lists, in place of whatever mapping or sequence the caller decoded."""
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(held) for held in value]
    return value


def _refuse_literal_secrets(value: object, path: str) -> None:
    for place, text in _texts(value, path):
        name = place.rpartition(".")[2].partition("[")[0].lower()
        if name.endswith(_SECRET_ENDINGS) and not text.startswith(REFERENCE):
            variable = name.upper()
            raise BadBase(
                place,
                "holds a literal secret, and LiteLLM's configuration is a plain file",
                hint=f"Write `{REFERENCE}{variable}` and set {variable} where `router up` runs",
            )


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from _texts(held, f"{path}.{key}")
    elif isinstance(value, Sequence):
        for number, held in enumerate(value):
            yield from _texts(held, f"{path}[{number}]")
