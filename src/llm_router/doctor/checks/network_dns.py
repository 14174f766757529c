"""Whether names can be looked up, as far as the resolver's own file tells."""

import ipaddress
import socket
from urllib.parse import urlsplit

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.home import explain


def examine(context: Context) -> Finding | None:
    """Nobody outside is asked. A home whose accounts are all on this machine needs no names."""
    problem = _loopback_name() or (_resolver(context) if _needs_names(context) else "")
    if not problem:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Names cannot be looked up",
        problem,
        fix=f"cat {context.machine.resolver}",
        unharmed="Accounts at addresses of this machine are reached",
    )


def _needs_names(context: Context) -> bool:
    if context.loaded is None:
        return False
    addresses = [provider.base_url for provider in context.loaded.settings.providers.values() if provider.base_url]
    hosts = [urlsplit(address).hostname or "" for address in addresses if not address.startswith("unit://")]
    # an account without an address of its own is at its vendor's
    vendors = [one for one in context.loaded.settings.providers.values() if one.kind != "sandbox" and not one.base_url]
    return bool(vendors) or any(_is_name(host) for host in hosts)


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host not in ("", "localhost")
    return False


def _resolver(context: Context) -> str:
    if context.machine.system != "linux":
        return ""  # elsewhere the file is not what decides
    path = context.machine.resolver
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        return f"`{path}` cannot be read: {explain(error)}"
    if any(line.split()[:1] == ["nameserver"] and len(line.split()) > 1 for line in lines):
        return ""
    return f"`{path}` names no name server"


def _loopback_name() -> str:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo("localhost", None)}
    except OSError:
        return "`localhost` is not known on this machine"
    outside = sorted(address for address in found if not ipaddress.ip_address(address).is_loopback)
    return f"`localhost` is {outside[0]}, which is not this machine" if outside else ""


CHECK = Check("network.dns", "names, without asking the network", examine)
