"""The listening sockets: bound once, held by the supervisor, handed down to whoever serves them.

A client that connects while a unit restarts waits in the backlog; it is not refused.
"""

import errno
import socket
from dataclasses import dataclass, field

from llm_router.errors import RouterError
from llm_router.home import explain

BACKLOG = 1024
GATEWAY, TRANSLATOR, SANDBOX = "gateway", "translator", "sandbox"
_HINTS = {
    GATEWAY: "Choose another: `gateway.port` in router.yaml, or ROUTER_GATEWAY_PORT=8318 router up",
    TRANSLATOR: "Choose another: `litellm.port` in router.yaml, or ROUTER_LITELLM_PORT=4001 router up",
}

_OURS = "That is another router: run `router down` in the folder it was started from"


class PortInUse(RouterError):
    """A port that must be bound belongs to another process."""

    code = "supervisor.port_in_use"

    def __init__(self, name: str, address: tuple[str, int], owner: str) -> None:
        """`name` is the socket's name, `owner` e.g. `pid 4711, python -m http.server`."""
        self.name, self.address, self.owner = name, address, owner
        host, port = address
        super().__init__(
            f"Port {port} on {host}, the {name}'s door, is in use by {owner}",
            hints=[*([_OURS] if "llm_router." in owner else []), _HINTS.get(name, "Stop that process")],
            unharmed="Nothing was started",
        )


class AddressUnusable(RouterError):
    """The configured address is not one of this machine's, or may not be bound."""

    code = "supervisor.address_unusable"

    def __init__(self, name: str, address: tuple[str, int], why: str) -> None:
        """`why` is the operating system's phrase."""
        super().__init__(
            f"The {name}'s door cannot listen on {address[0]}:{address[1]}: {why}",
            hints=["Set `gateway.host` and `gateway.port` in router.yaml"],
            unharmed="Nothing was started",
        )


@dataclass(slots=True)
class HeldSockets:
    """The sockets by name. Owns them: `close` ends listening as far as this process goes."""

    _held: dict[str, socket.socket] = field(default_factory=dict)

    def open(self, name: str, host: str, port: int) -> socket.socket:
        """The socket of that name, bound if it is not yet. Raises PortInUse, AddressUnusable."""
        if name not in self._held:
            self._held[name] = bind(name, host, port)
        return self._held[name]

    def has(self, name: str) -> bool:
        """Whether a socket of that name is held."""
        return name in self._held

    def url(self, name: str) -> str:
        """The address clients use, e.g. `http://127.0.0.1:8317`; empty when it is not held."""
        if name not in self._held:
            return ""
        host, port = self._held[name].getsockname()[:2]
        return url_of(str(host), int(port))

    def close(self, *names: str) -> None:
        """Let go of these sockets, or of all when none is named."""
        for name in names or tuple(self._held):
            if name in self._held:
                self._held.pop(name).close()


def url_of(host: str, port: int) -> str:
    """The URL of an address, IPv6 in brackets, a wildcard as this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def bind(name: str, host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse naming the owner, AddressUnusable."""
    address = "127.0.0.1" if host == "localhost" else host
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(name, (host, port), owner_of(port)) from error
        raise AddressUnusable(name, (host, port), explain(error)) from error
    return listener


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def owner_of(port: int) -> str:
    """Who listens on a port, as far as this user may see: `pid 4711, python -m http.server`."""
    import psutil

    try:
        found = [
            held.pid
            for held in psutil.net_connections(kind="tcp")
            if held.status == psutil.CONN_LISTEN and held.laddr and held.laddr.port == port and held.pid
        ]
        if found:
            command = " ".join(psutil.Process(found[0]).cmdline())[:200] or psutil.Process(found[0]).name()
            return f"pid {found[0]}, {command}"
    except (psutil.Error, OSError):
        return "a process that only its owner may see"
    return "a process of another user"
