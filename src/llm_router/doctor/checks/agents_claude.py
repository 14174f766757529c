"""Whether Claude Code points at this router, or at one that is not there."""

import json

from llm_router.doctor.addresses import elsewhere, without_login
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

NAME = "ANTHROPIC_BASE_URL"


def examine(context: Context) -> Finding | None:
    """Its settings go before the shell's variable. Only addresses of this machine are judged."""
    path = context.person / ".claude" / "settings.json"
    found = []
    try:
        held = json.loads(path.read_text("utf-8"))
        address = str((held.get("env") or {}).get(NAME, ""))
        found += [f"{path}: env.{NAME} = {without_login(address)}"] if elsewhere(context, address) else []
    except OSError:
        pass
    except (ValueError, AttributeError):
        found.append(f"{path}: not readable as JSON")
    address = context.environ.get(NAME, "")
    found += [f"{NAME}={without_login(address)}"] if elsewhere(context, address) else []
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "Claude Code points elsewhere",
        f"`{found[0]}` is not this router",
        evidence=shown(found),
        fix="router client env",
    )


CHECK = Check("agents.claude", "where Claude Code points", examine)
