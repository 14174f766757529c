"""Whether other machines can reach the gateway."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """A warning with keys, and an error without any: everybody could spend what the accounts hold."""
    from llm_router.secrets.client_keys import load_client_keys

    loaded = context.loaded
    if loaded is None or _is_loopback(loaded.settings.gateway.host):
        return None
    gateway = loaded.settings.gateway
    is_open = load_client_keys(context.home, gateway.client_keys, context.environ).is_open
    return Finding(
        CHECK.code,
        Severity.ERROR if is_open else Severity.WARNING,
        "Other machines can reach the gateway",
        f"the gateway listens on {gateway.host}" + (" and asks for no key" if is_open else ""),
        evidence=("What is sent to it, keys as well, crosses the network unencrypted",),
        fix="router config explain gateway.host",
    )


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


CHECK = Check("gateway.public", "who can reach the gateway", examine, depends_on=("config.missing", "config.invalid"))
