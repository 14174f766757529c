"""LiteLLM deployments of an older configuration as providers and models; what only LiteLLM can serve stays with it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from llm_router.config.checks import RAW_PROVIDER, is_loopback
from llm_router.config.document import Document, KeyPath, dotted
from llm_router.config.literals import LITELLM_REFERENCE, is_placeholder
from llm_router.config.problems import ConfigError, Problem
from llm_router.errors import RouterError
from llm_router.secrets.references import Reference

_OPENAI = ("openai/", "custom_openai/")
_FOREIGN = ("responses/", "chat_completions/")
# A deployment with any other parameter means something that only LiteLLM does.
_UNDERSTOOD = frozenset({"model", "api_base", "base_url", "api_key"})
_VARIABLE = re.compile(re.escape(LITELLM_REFERENCE) + r"[A-Za-z_][A-Za-z0-9_]*")

type Listed = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Converted:
    """One model list: who answers for each name, and the entries that stay LiteLLM's."""

    models: dict[str, list[str]] = field(default_factory=dict)
    raw: list[dict[str, Any]] = field(default_factory=list)


class Deployments:
    """Gathers the model lists of a configuration and of its profiles."""

    def __init__(self, held: Document, services: Mapping[int, str]) -> None:
        """`services`: which service holds which port; an upstream there is named after it."""
        self._held, self._services = held, services
        self._base = Converted()
        self._names: dict[tuple[str, str], str] = {}
        self.providers: dict[str, dict[str, Any]] = {}
        self.local_ports: set[int] = set()
        self.notes: list[str] = []

    @property
    def models(self) -> dict[str, list[str]]:
        """Who answers for each model name outside any profile."""
        return self._base.models

    @property
    def raw(self) -> list[dict[str, Any]]:
        """The entries that stay LiteLLM's, outside any profile."""
        return self._base.raw

    def add(self, listed: Listed, at: KeyPath) -> None:
        """Take the base's model list, which stands at the path `at`. Raises ConfigError."""
        self._base = self._converted(listed, at)

    def overlay(self, listed: Listed, at: KeyPath) -> Converted:
        """Take a profile's own model list, which replaces the base's. Raises ConfigError."""
        own = self._converted(listed, at)
        if gone := [name for name in self._base.models if name not in own.models]:
            named = ", ".join(f"`{name}`" for name in gone)
            self.notes.append(f"a profile's own model list left out {named}; profiles now add to `models`")
        own.raw += [entry for entry in self.raw if entry["model_name"] not in own.models] if own.raw else []
        return own

    def alias(self, aliases: Mapping[str, str]) -> None:
        """Further names for models (`model_group_alias`)."""
        for alias, name in aliases.items():
            if name in self.models:
                self.models.setdefault(alias, list(self.models[name]))

    def fallbacks(self, listed: object, own: Mapping[str, list[str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
        """A profile's fallbacks as alias -> alias, and the models of the profile.

        LiteLLM allows several fallbacks of one model and mutual ones; those become further candidates of the model.
        """
        models = {**self.models, **own}
        wanted = self._wanted(listed, models)
        simple = {name: others[0] for name, others in wanted.items() if len(others) == 1}
        if len(simple) == len(wanted) and not any(_leads_back(name, simple) for name in simple):
            return simple, dict(own)
        overlay = dict(own)
        for name, others in wanted.items():
            chain = [*models[name], *(candidate for other in others for candidate in models[other])]
            overlay[name] = list(dict.fromkeys(chain))
        return {}, overlay

    def finish(self) -> None:
        """Note what the new form changes once everything is taken."""
        if any(len(candidates) > 1 for candidates in self.models.values()):
            self.notes.append("a model with several deployments now asks them in order, not at random")
        if self.raw:
            named = ", ".join(f"`{entry['model_name']}`" for entry in self.raw)
            self.notes.append(
                f"only LiteLLM serves {named}; it is given the variables that stand in `litellm.base` as "
                "`os.environ/NAME`, and no others"
            )

    def _wanted(self, listed: object, models: Mapping[str, object]) -> dict[str, list[str]]:
        wanted: dict[str, list[str]] = {}
        for entry in listed if isinstance(listed, list) else []:
            for name, others in entry.items() if isinstance(entry, Mapping) else ():
                targets = others if isinstance(others, list) else [others]
                known = [other for other in targets if isinstance(other, str) and other in models and other != name]
                names = [other for other in models if other not in known] if name == "*" else [name]
                for each in names:
                    if each in models and known:
                        wanted.setdefault(each, known)
                if not known or (name != "*" and name not in models):
                    self.notes.append(f"the fallback of `{name}` is dropped: it names a model that does not exist")
        return wanted

    def _converted(self, listed: Listed, at: KeyPath) -> Converted:
        result = Converted()
        for index, entry in enumerate(listed):
            name = str(entry["model_name"])
            candidate = self._candidate(entry, (*at, index, "litellm_params"))
            if candidate is None:
                result.raw.append(dict(entry))
                candidate = f"{RAW_PROVIDER}/{'*' if '*' in name else name}"
            candidates = result.models.setdefault(name, [])
            if candidate not in candidates:
                candidates.append(candidate)
        return result

    def _candidate(self, entry: Mapping[str, Any], at: KeyPath) -> str | None:
        """`provider/model` of a deployment that speaks OpenAI's format, or None for one that is LiteLLM's affair."""
        parameters = entry["litellm_params"]
        prefix = next((prefix for prefix in _OPENAI if parameters["model"].startswith(prefix)), None)
        address = parameters.get("api_base", parameters.get("base_url"))
        if prefix is None or not set(parameters) <= _UNDERSTOOD or not isinstance(address, str):
            return None
        model = parameters["model"].removeprefix(prefix)
        if not _is_plain(address) or model.startswith(_FOREIGN) or ("*" in model and model != entry["model_name"]):
            return None
        return f"{self._provider(address.rstrip('/'), self._key(parameters, at))}/{'*' if '*' in model else model}"

    def _key(self, parameters: Mapping[str, Any], at: KeyPath) -> str:
        held = parameters.get("api_key")
        if held is None:
            return "env:OPENAI_API_KEY"
        text = str(held)
        if _VARIABLE.fullmatch(text):
            return f"env:{text.removeprefix(LITELLM_REFERENCE)}"
        if is_placeholder(text):
            return ""
        try:
            return str(Reference.parse(text))
        except RouterError as error:
            path = (*at, "api_key")
            problem = "a key never stands in the configuration itself"
            hint = "Run `router secret set upstream`, then write the reference that it prints in its place"
            raise ConfigError(
                [Problem(self._held.place, self._held.line_of(path), dotted(path), problem, hint)]
            ) from error

    def _provider(self, base_url: str, key: str) -> str:
        if (base_url, key) in self._names:
            return self._names[base_url, key]
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        wanted = re.sub(r"[^a-z0-9]+", "-", host).strip("-") or "upstream"
        if is_loopback(host):
            port = parts.port or (443 if parts.scheme == "https" else 80)
            self.local_ports.add(port)
            wanted = self._services.get(port, f"local-{port}")
        taken = (wanted, *(f"{wanted}-{number}" for number in range(2, len(self.providers) + 3)))
        name = next(name for name in taken if name not in self.providers and name != RAW_PROVIDER)
        # LiteLLM spoke chat to it, and passed embeddings on.
        provider: dict[str, Any] = {"kind": "openai", "base_url": base_url, "wires": ["chat", "embeddings"]}
        self.providers[name] = {**provider, **({"key": key} if key else {})}
        self._names[base_url, key] = name
        return name


def _is_plain(address: str) -> bool:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and "@" not in parts.netloc and "?" not in address and "#" not in address


def _leads_back(name: str, links: Mapping[str, str]) -> bool:
    seen = {name}
    while name in links:
        name = links[name]
        if name in seen:
            return True
        seen.add(name)
    return False
