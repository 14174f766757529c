"""The sandbox as a process: its socket, its server, its end."""

import errno
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType

from llm_router.errors import RouterError, UsageError
from llm_router.routing.plan import Wire
from llm_router.sandbox.app import application
from llm_router.sandbox.upstream import Upstream

DEFAULT_PORT = 8320
BACKLOG = 2048
LISTEN_FDS = "LLM_ROUTER_LISTEN_FDS"
WIRES = "LLM_ROUTER_SANDBOX_WIRES"
SECONDS_TO_FINISH = 1


class SandboxAddressError(RouterError):
    """The sandbox cannot listen where it was told to."""

    code = "sandbox.address"


class SandboxUsageError(UsageError):
    """The sandbox was started in a way that means nothing."""

    code = "sandbox.usage"


def inherited(environ: Mapping[str, str]) -> socket.socket | None:
    """The listening socket that `LLM_ROUTER_LISTEN_FDS` names `sandbox`, if any. Raises SandboxUsageError."""
    for pair in filter(None, environ.get(LISTEN_FDS, "").split(",")):
        name, _, descriptor = pair.partition("=")
        if name != "sandbox":
            continue
        try:
            return socket.socket(fileno=int(descriptor))
        except (ValueError, OSError) as error:
            raise SandboxUsageError(f"{LISTEN_FDS} names no open socket for the sandbox: `{pair}`") from error
    return None


def listen(host: str, port: int, owner_of: Callable[[int], str] | None = None) -> socket.socket:
    """A listening socket on a loopback address; port 0 takes a free one. `owner_of` finds out who holds a taken port.

    Raises SandboxAddressError.
    """
    if host not in {"127.0.0.1", "::1", "localhost"}:
        raise SandboxAddressError(
            f"The sandbox asks for no key, so it listens on this machine only, not on `{host}`",
            hints=["Leave `--host` away, or give 127.0.0.1 or ::1"],
        )
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        owner = f": it is in use by {owner_of(port)}" if taken and owner_of is not None else ""
        raise SandboxAddressError(
            f"The sandbox cannot listen on port {port} of {host}{owner}",
            hints=["Choose another port: `router sandbox --port 0` takes a free one"],
        ) from error
    return listener


def url(listener: socket.socket) -> str:
    """The base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def wires_from(environ: Mapping[str, str]) -> frozenset[Wire]:
    """The wires that `LLM_ROUTER_SANDBOX_WIRES` allows; all when it is not set. Raises SandboxUsageError."""
    named = [name.strip() for name in environ.get(WIRES, "").split(",") if name.strip()]
    unknown = [name for name in named if name not in Wire]
    if unknown:
        known = ", ".join(wire.value for wire in Wire)
        raise SandboxUsageError(f"{WIRES} names `{unknown[0]}`, which is no wire; known: {known}")
    return frozenset(Wire(name) for name in named) or frozenset(Wire)


def serve(listener: socket.socket, upstream: Upstream) -> None:
    """Serve until SIGTERM, which ends the process with 0, or SIGINT, which raises KeyboardInterrupt."""
    import uvicorn

    config = uvicorn.Config(
        application(upstream),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",  # a cut connection is wanted here; bugs are printed by the application
        access_log=False,
        server_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    # uvicorn raises the signal that stopped it again, once it is done, for the handler that was there before.
    signal.signal(signal.SIGTERM, _end)
    uvicorn.Server(config).run(sockets=[listener])


def _end(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise SystemExit(0)
