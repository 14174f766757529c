"""Whether Codex points at this router, or at one that is not there."""

import tomllib
from typing import Any

from llm_router.doctor.addresses import elsewhere, without_login
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Only addresses of this machine are judged: who uses another provider does so on purpose."""
    path = context.person / ".codex" / "config.toml"
    try:
        found = [f"{path}: {line}" for line in _chosen(tomllib.loads(path.read_text("utf-8")), context)]
    except OSError:
        found = []
    except ValueError:
        return _finding(f"`{path}` cannot be read as TOML", [str(path)], f"mend `{path}`")
    address = context.environ.get("OPENAI_BASE_URL", "")
    found += [f"OPENAI_BASE_URL={without_login(address)}"] if elsewhere(context, address) else []
    if not found:
        return None
    return _finding(f"`{found[0]}` is an address of this machine and not this router's", found, "router client env")


def _chosen(held: dict[str, Any], context: Context) -> list[str]:
    """The provider that is in use, when its address is not ours."""
    name, providers = held.get("model_provider"), held.get("model_providers")
    provider = providers.get(name) if isinstance(providers, dict) else None
    address = str(provider.get("base_url", "")) if isinstance(provider, dict) else ""
    return [f"model_providers.{name}.base_url = {without_login(address)}"] if elsewhere(context, address) else []


def _finding(cause: str, evidence: list[str], fix: str) -> Finding:
    title = "Codex or an OpenAI client points elsewhere"
    return Finding(CHECK.code, Severity.WARNING, title, cause, shown(evidence), fix)


CHECK = Check("agents.codex", "where Codex and OpenAI clients point", examine)
