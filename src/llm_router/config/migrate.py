"""An older `routertool.yaml` (versions 1 and 2) as a router.yaml of the same meaning.

What changes hands: the gateway now owns retries, cooldowns and fallbacks, so these numbers move from LiteLLM's settings
to the profile; upstreams that speak OpenAI's format become providers; LiteLLM is no longer a service to configure.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_router.config.deployments import Deployments
from llm_router.config.document import Document, KeyPath, dotted
from llm_router.config.problems import ConfigError, Problem
from llm_router.config.profiles import DEFAULT_PROFILE

OLDER = (1, 2)
GATEWAY_PORT, LITELLM_PORT = 8317, 4000
_TOP = ("config_version", "paths", "services", "litellm_base", "profiles", "oauth", "secret_files", "secrets")
_MARKS = ("paths", "litellm_base")
_MAPPINGS = ("services", "litellm_base", "profiles")
_NUMBERS = {"num_retries": "retries", "allowed_fails": "failures_until_degraded", "cooldown_time": "cooldown"}
_MOVED = frozenset({*_NUMBERS, "fallbacks", "request_timeout", "model_group_alias"})
# Settings by which LiteLLM would keep or send data of its own, or check keys that the gateway checks.
_LEFT_OUT = re.compile(
    r"cache.*|.*callback.*|redis_.*|alerting.*|guardrails|master_key|database_url|.*_call_rules|plugins"
    r"|pass_through_endpoints|store_model_in_db|custom_provider_map"
)


@dataclass(slots=True)
class Migration:
    """The new document and what its owner should know."""

    document: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lines: dict[KeyPath, int] = field(default_factory=dict)  # of the older file, for the paths of the new document

    @property
    def notices(self) -> tuple[str, ...]:
        """The notices, each once."""
        return tuple(dict.fromkeys(self.notes))


def is_older(value: Mapping[str, Any]) -> bool:
    """Whether a decoded file is a `routertool.yaml`; one without a version counts as version 2, as it always did."""
    version = value.get("config_version")
    if version is None and "config_version" not in value:
        return any(mark in value for mark in _MARKS)
    return type(version) is int and version in OLDER


def migrate(held: Document, folder: Path) -> Migration:
    """Translate an older document; relative folders in it start at `folder`. Raises ConfigError."""
    _check(held)
    old = held.value
    result = Migration()
    version = old.get("config_version", 2)
    result.notes.append(f"`{held.place}` has config_version {version}; `router config migrate` writes it as version 3")
    services = _services(old.get("services") or {}, folder, result)
    base = old.get("litellm_base") or {}
    deployments = Deployments(held, {service["port"]: name for name, service in services.items() if "port" in service})
    deployments.add(base.get("model_list") or [], ("litellm_base", "model_list"))
    deployments.alias(_group_aliases(base))
    profiles = {
        _slug(name): _profile(base, overlay or {}, deployments, result)
        for name, overlay in (old.get("profiles") or {}).items()
    }
    deployments.finish()
    result.notes += deployments.notes
    _note_what_stays_behind(old, result)
    result.document = {
        "config_version": 3,
        "gateway": _gateway(old, {*deployments.local_ports, *(held["port"] for held in services.values())}),
        "litellm": _litellm(old, base, deployments, result),
        "services": services,
        "providers": deployments.providers,
        "models": deployments.models,
        "profiles": profiles,
        "profile": DEFAULT_PROFILE if DEFAULT_PROFILE in profiles or not profiles else next(iter(profiles)),
    }
    result.lines = _lines(held)
    return result


def _lines(held: Document) -> dict[KeyPath, int]:
    """Where the parts of the new document stood in the older file."""
    listed: KeyPath = ("litellm_base", "model_list")
    moved: dict[KeyPath, KeyPath] = {
        ("gateway",): ("litellm_base",),
        ("litellm",): ("litellm_base",),
        ("providers",): listed,
        ("models",): listed,
    }
    for part in ("services", "profiles"):
        moved |= {(part, _slug(name)): (part, name) for name in held.value.get(part) or {}}
    for index, entry in enumerate((held.value.get("litellm_base") or {}).get("model_list") or []):
        moved[("models", entry["model_name"])] = (*listed, index)
    return {new: line for new, old in moved.items() if (line := held.line_of(old))}


def _check(held: Document) -> None:
    problems = [*_wrong(held.value)]
    if problems:
        raise ConfigError([Problem(held.place, held.line_of(path), dotted(path), text) for path, text in problems])


def _wrong(old: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for key in old:
        if key not in _TOP:
            yield (key,), f"there is no such key; known here: {', '.join(_TOP)}"
    for key in _MAPPINGS:
        if not isinstance(old.get(key) or {}, Mapping):
            yield (key,), "must be a mapping"
    if isinstance(services := old.get("services") or {}, Mapping):
        for name, service in services.items():
            yield from _wrong_service(("services", name), service)
    if isinstance(profiles := old.get("profiles") or {}, Mapping):
        for name, profile in profiles.items():
            yield from _wrong_settings(("profiles", name), profile)
    if isinstance(base := old.get("litellm_base") or {}, Mapping):
        yield from _wrong_settings(("litellm_base",), base)


def _wrong_service(path: KeyPath, service: object) -> Iterator[tuple[KeyPath, str]]:
    command = service.get("command") if isinstance(service, Mapping) else None
    arguments = command.get("args") if isinstance(command, Mapping) else None
    if not isinstance(service, Mapping) or not isinstance(command, Mapping):
        yield path, "must be a mapping with `command`"
    elif not isinstance(arguments, list) or not arguments or not all(isinstance(text, str) for text in arguments):
        yield (*path, "command", "args"), "must be a list of text"
    elif not isinstance(command.get("cwd", ""), str | None):
        yield (*path, "command", "cwd"), "must be text"
    elif type(service.get("port", 1)) is not int:
        yield (*path, "port"), "must be a whole number"


def _wrong_settings(path: KeyPath, held: object) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(held, Mapping | None):
        yield path, "must be a mapping"
        return
    for key in ("litellm_settings", "router_settings", "general_settings"):
        if not isinstance((held or {}).get(key) or {}, Mapping):
            yield (*path, key), "must be a mapping"
    listed = (held or {}).get("model_list") or []
    if not isinstance(listed, list):
        yield (*path, "model_list"), "must be a list"
        return
    for index, model in enumerate(listed):
        parameters = model.get("litellm_params") if isinstance(model, Mapping) else None
        named = isinstance(model, Mapping) and isinstance(model.get("model_name"), str)
        if not named or not isinstance(parameters, Mapping) or not isinstance(parameters.get("model"), str):
            yield (*path, "model_list", index), "needs `model_name` and `litellm_params.model`"


def _services(old: Mapping[str, Any], folder: Path, result: Migration) -> dict[str, dict[str, Any]]:
    named = dict(old)
    if "cliproxyapi" in named and "cliproxyapi_plus" not in named:
        named["cliproxyapi_plus"] = named.pop("cliproxyapi")
    if "litellm" in named:
        result.notes.append("`services.litellm` is dropped: the router runs its own LiteLLM")
    return {_slug(name): _service(value, folder) for name, value in named.items() if name != "litellm"}


def _service(old: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    command = old["command"]
    service: dict[str, Any] = {"command": list(command["args"])}
    if command.get("cwd"):
        service["cwd"] = os.path.normpath((folder / Path(command["cwd"]).expanduser()).absolute())
    if isinstance(old.get("host"), str):
        service["host"] = old["host"]
    service["port"] = old.get("port", GATEWAY_PORT)
    service["readiness_path"] = str(old.get("readiness_path") or old.get("health_path") or "/v1/models")
    return service


def _gateway(old: Mapping[str, Any], taken: set[int]) -> dict[str, Any]:
    taken = {*taken, _litellm_port(old)}
    gateway: dict[str, Any] = {"port": next(port for port in range(GATEWAY_PORT, 65536) if port not in taken)}
    base = old.get("litellm_base") or {}
    key = (base.get("general_settings") or {}).get("master_key")
    if isinstance(key, str) and key.startswith("os.environ/"):
        gateway["client_keys"] = ["file:keys/local.key", f"env:{key.removeprefix('os.environ/')}"]
    limit = (base.get("litellm_settings") or {}).get("request_timeout")
    if isinstance(limit, int | float) and limit > 0:
        gateway["timeouts"] = {"first_byte": limit}
    return gateway


def _litellm_port(old: Mapping[str, Any]) -> int:
    return int(((old.get("services") or {}).get("litellm") or {}).get("port", LITELLM_PORT))


def _litellm(
    old: Mapping[str, Any], base: Mapping[str, Any], deployments: Deployments, result: Migration
) -> dict[str, Any]:
    kept = _remaining(base, result)
    if deployments.raw:
        kept["model_list"] = deployments.raw
    return {"port": _litellm_port(old), **({"base": kept} if kept else {})}


def _remaining(held: Mapping[str, Any], result: Migration) -> dict[str, Any]:
    """What stays LiteLLM's own affair in one set of its settings."""
    kept: dict[str, Any] = {}
    for part in ("litellm_settings", "router_settings"):
        settings = {key: value for key, value in (held.get(part) or {}).items() if key not in _MOVED}
        for key in [key for key in settings if _LEFT_OUT.fullmatch(str(key))]:
            del settings[key]
            result.notes.append(f"`{part}.{key}` is dropped: LiteLLM only translates, and keeps and sends nothing")
        if settings:
            kept[part] = settings
    for key in held:
        if key not in ("litellm_settings", "router_settings", "model_list"):
            result.notes.append(f"`{key}` of LiteLLM's settings is dropped: the router sets it")
    return kept


def _profile(
    base: Mapping[str, Any], overlay: Mapping[str, Any], deployments: Deployments, result: Migration
) -> dict[str, Any]:
    merged = {
        key: _merged(base.get(key) or {}, overlay.get(key) or {}) for key in ("litellm_settings", "router_settings")
    }
    settings = {**merged["litellm_settings"], **merged["router_settings"]}
    profile: dict[str, Any] = {
        # LiteLLM lets so many failures pass; the one after them degrades.
        new: max(settings[old], 0) + 1 if new == "failures_until_degraded" else settings[old]
        for old, new in _NUMBERS.items()
        if _is_number(settings.get(old))
    }
    own = deployments.overlay(overlay["model_list"], ("profiles", "model_list")) if overlay.get("model_list") else None
    fallbacks, models = deployments.fallbacks(settings.get("fallbacks"), own.models if own else {})
    profile["fallbacks"] = fallbacks
    if models:
        profile["models"] = models
    kept = _remaining(overlay, result)
    if own and own.raw:
        kept["model_list"] = own.raw
    if kept:
        profile["litellm"] = kept
    return profile


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    return {**base, **overlay}


def _group_aliases(base: Mapping[str, Any]) -> dict[str, str]:
    held = (base.get("router_settings") or {}).get("model_group_alias") or {}
    aliases = held.items() if isinstance(held, Mapping) else ()
    named = {alias: other.get("model") if isinstance(other, Mapping) else other for alias, other in aliases}
    return {alias: other for alias, other in named.items() if isinstance(other, str)}


def _note_what_stays_behind(old: Mapping[str, Any], result: Migration) -> None:
    if "paths" in old:
        result.notes.append("`paths` is dropped: everything that is generated lives in the `.router/` folder")
    files = old.get("secret_files", old.get("secrets")) or []
    if files:
        named = ", ".join(f"`{file}`" for file in files) if isinstance(files, list) else f"`{files}`"
        result.notes.append(f"`secret_files` is dropped; keep these files private yourself (chmod 600): {named}")
    if old.get("oauth"):
        result.notes.append("`oauth` is dropped: signing in at an external proxy is that proxy's own affair")
    host = ((old.get("services") or {}).get("litellm") or {}).get("host")
    if isinstance(host, str) and host not in ("127.0.0.1", "localhost", "::1"):
        result.notes.append(f"LiteLLM listened on {host}; the gateway listens on 127.0.0.1 until `gateway.host` is set")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _slug(name: object) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", str(name).lower()).strip("-") or "unnamed"
