"""Every top-level command: where it lives and the line that `router --help` shows for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of `router --help`. `target` is `module:attribute`, imported when the command runs."""

    target: str
    help: str
    section: str
    hidden: bool = False


_HERE = "llm_router.cli.commands"
START, USE, SET, SEE = "Start and stop", "Use", "Set up", "Look"

COMMANDS: dict[str, Entry] = {
    "up": Entry(f"{_HERE}.up:app", "Start everything in the background and wait until it is ready", START),
    "down": Entry(f"{_HERE}.down:app", "Stop everything", START),
    "service": Entry(f"{_HERE}.service:app", "Start, stop, restart and inspect single units", START),
    "chat": Entry(f"{_HERE}.chat:app", "Ask a question through the router", USE),
    "models": Entry(f"{_HERE}.models:app", "List what can be asked, and through which lane", USE),
    "client": Entry(f"{_HERE}.client:app", "Settings for clients: SDKs, Codex, Claude Code", USE),
    "sandbox": Entry(f"{_HERE}.sandbox:app", "A loopback upstream to rehearse answers and failures with", USE),
    "bootstrap": Entry(f"{_HERE}.bootstrap:app", "Create .router/, a key, and LiteLLM's environment", SET),
    "profile": Entry(f"{_HERE}.profile:app", "List, show, compare and set profiles", SET),
    "config": Entry(f"{_HERE}.config:app", "Show, validate, explain and migrate the configuration", SET),
    "key": Entry(f"{_HERE}.key:app", "Make, list, show, revoke and rotate the keys that clients show", SET),
    "secret": Entry(f"{_HERE}.secret:app", "Store, list and remove the keys that the configuration names", SET),
    "auth": Entry(f"{_HERE}.auth:app", "Sign in to accounts; list, refresh, test and end sign-ins", SET),
    "status": Entry(f"{_HERE}.status:app", "Show what runs and whether it is ready", SEE),
    "health": Entry(f"{_HERE}.health:app", "Check liveness and readiness; exit 1 when something is not well", SEE),
    "doctor": Entry(f"{_HERE}.doctor:app", "Say what is wrong, why, and how to mend it; --fix mends what is safe", SEE),
    "usage": Entry(f"{_HERE}.usage:app", "Tokens and cost by day, model, account, key or session", SEE),
    "trace": Entry(f"{_HERE}.trace:app", "The whole story of one request", SEE),
    "events": Entry(f"{_HERE}.events:app", "Show or follow the event log", SEE),
    "account": Entry(f"{_HERE}.account:app", "The health of each account; pause and resume them", SEE),
    "explain": Entry(f"{_HERE}.explain:app", "Why each candidate for a model would be chosen or skipped now", SEE),
}
