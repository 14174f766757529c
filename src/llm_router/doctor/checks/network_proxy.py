"""Whether the proxy variables can be used."""

from urllib.parse import urlsplit

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

NAMES = ("HTTPS_PROXY", "HTTP_PROXY")  # what the gateway is given


def examine(context: Context) -> Finding | None:
    """Set, and not an address of a kind that the gateway can use; or two spellings that disagree."""
    found = [line for name in NAMES for line in _wrong(context, name)]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "A proxy variable cannot be used",
        found[0],
        evidence=shown(found),
        fix=f"unset {found[0].split()[0]}, or set it to http://HOST:PORT; then `router down && router up`",
        unharmed="Accounts on this machine are reached without a proxy",
    )


def _wrong(context: Context, name: str) -> list[str]:
    held = [(spelt, context.environ[spelt]) for spelt in (name, name.lower()) if context.environ.get(spelt)]
    found = [f"{spelt} {problem}" for spelt, value in held if (problem := _problem(value))]
    if len({value.rstrip("/") for _, value in held}) > 1:
        found.append(f"{name} and {name.lower()} name different proxies")
    return found


def _problem(value: str) -> str:
    """What is wrong, without repeating a value that may hold a password."""
    try:
        split = urlsplit(value if "://" in value else f"http://{value}")
        port = split.port
    except ValueError:
        return "is not an address"
    if split.scheme != "http":
        return f"is a proxy of the kind `{split.scheme}`; only `http` can be used"
    if not split.hostname or any(mark.isspace() for mark in value) or port == 0:
        return "is not an address"
    return ""


CHECK = Check("network.proxy", "proxy variables", examine)
