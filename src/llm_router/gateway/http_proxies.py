"""Which HTTP proxy a connection takes, as the environment says. Decisions on values."""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from llm_router.gateway.http_request import Target
from llm_router.gateway.upstream_failure import Reason, UpstreamFailure


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address, and what it wants to be shown."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers that are for the proxy alone."""
        return [("Proxy-Authorization", self.authorization)] if self.authorization else []


def proxy_from(url: str) -> Proxy:
    """Read a proxy's address, e.g. `http://user:password@host:3128`. Raises UpstreamFailure."""
    split = urlsplit(url if "://" in url else f"http://{url}")
    if split.scheme != "http" or not split.hostname:
        raise UpstreamFailure(Reason.CONNECT, f"a proxy of the kind `{split.scheme}` cannot be used, only `http`")
    shown = ""
    if split.username is not None:
        pair = f"{unquote(split.username)}:{unquote(split.password or '')}"
        shown = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(split.hostname, split.port or 80, shown)


def takes_no_proxy(host: str, port: int, listed: str) -> bool:
    """Whether a host is in a `no_proxy` list: names and all below, addresses, networks; with a port or not."""
    for entry in (part.strip().lower() for part in listed.split(",")):
        if entry == "*" or (entry and _is_within(host, entry)):
            return True
        name, colon, number = entry.rpartition(":")
        if colon and number == str(port) and _is_within(host, name):
            return True
    return False


def _is_within(host: str, entry: str) -> bool:
    name = entry.strip("[]").removeprefix("*").lstrip(".")
    if not name:
        return False
    if host == name or host.endswith("." + name):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, which no proxy can reach in our stead."""
    return host == "localhost" or _is_within(host, "127.0.0.0/8") or host == "::1"


class Proxies:
    """The proxies of an environment: by scheme, `all`, and the hosts of `no_proxy` that take none."""

    def __init__(self, found: Mapping[str, str] | None = None) -> None:
        """`found` is shaped as `urllib.request.getproxies_environment` returns it, which it is by default."""
        self._found = dict(getproxies_environment() if found is None else found)
        self.is_empty = not any(value for name, value in self._found.items() if name != "no")

    def proxy_for(self, target: Target) -> Proxy | None:
        """The proxy on the way to `target`, or None. Raises UpstreamFailure when it cannot be used."""
        url = self._found.get(target.origin[0]) or self._found.get("all")
        if not url or is_loopback(target.host):
            return None
        if takes_no_proxy(target.host, target.port, self._found.get("no", "")):
            return None
        try:
            return proxy_from(url)
        except ValueError as error:
            raise UpstreamFailure(Reason.CONNECT, "the proxy's address cannot be read") from error
