"""The profiles that ship, and what stands in for providers and models that are not configured."""

from collections.abc import Mapping
from typing import Any

DEFAULT_PROFILE = "balanced"

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "reliability": {
        "description": "Try hard: many retries, quick to leave an upstream that fails, slow to return to it",
        "retries": 3,
        "failures_until_degraded": 2,
        "cooldown": 60,
        "fallbacks": {"router-default": "router-cheap"},
    },
    "balanced": {
        "description": "A middle way between waiting and giving up",
        "retries": 2,
        "failures_until_degraded": 3,
        "cooldown": 30,
        "fallbacks": {"router-default": "router-cheap"},
    },
    "cost": {
        "description": "Few retries; the cheap model first, the better one when it fails",
        "retries": 1,
        "failures_until_degraded": 4,
        "cooldown": 10,
        "fallbacks": {"router-cheap": "router-default"},
    },
}

EMBEDDED_PROVIDERS: Mapping[str, Any] = {"sandbox": {"kind": "sandbox", "models": ["echo-1"]}}
EMBEDDED_MODELS: Mapping[str, Any] = {
    "router-default": "sandbox/echo-1",
    "router-cheap": "sandbox/echo-1",
    "claude-*": "sandbox/echo-1",
    "gpt-*": "sandbox/echo-1",
}


def with_embedded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with what ships filled in: the sandbox, its models, and the profiles under the user's own."""
    filled = dict(document)
    if "providers" not in document:
        filled["providers"] = EMBEDDED_PROVIDERS
        filled.setdefault("models", EMBEDDED_MODELS)
    own = document.get("profiles", {})
    if isinstance(own, Mapping):
        filled["profiles"] = {**BUILT_IN, **{name: _over_built_in(name, value) for name, value in own.items()}}
    return filled


def _over_built_in(name: object, value: object) -> object:
    built_in = BUILT_IN.get(str(name))
    if built_in is None or not (value is None or isinstance(value, Mapping)):
        return value
    return {**built_in, **(value or {})}
