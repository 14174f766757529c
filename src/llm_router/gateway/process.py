"""The gateway as a process: inherited sockets, a control channel, and uvicorn between them."""

import asyncio
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvicorn

from llm_router.gateway.control_channel import ControlChannel, Handlers
from llm_router.gateway.delivery import AnswerCut
from llm_router.gateway.exchange import Receive, Scope, Send
from llm_router.gateway.http_door import Door
from llm_router.gateway.metrics import Metrics
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.server import Gateway
from llm_router.gateway.state import GatewayState
from llm_router.gateway.upstream import UpstreamClient
from llm_router.home import Home
from llm_router.journal.events import EventLog
from llm_router.journal.ledger import Ledger
from llm_router.state.checkpoint import Keeper
from llm_router.state.memory import MemoryStore

_GRACE = 30  # seconds for what is in flight when the gateway is asked to stop


def inherited_sockets(listed: str) -> dict[str, socket.socket]:
    """The listening sockets that `LLM_ROUTER_LISTEN_FDS` names: `gateway=3,translator=4`. Raises ValueError."""
    found = {}
    for pair in listed.split(","):
        name, _, descriptor = pair.partition("=")
        found[name] = socket.socket(fileno=int(descriptor))
    return found


class AnnouncingServer(uvicorn.Server):
    """A uvicorn server that says when it accepts connections."""

    on_started: Callable[[], Awaitable[None]] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call `on_started`."""
        await super().startup(sockets)
        if self.on_started is not None:
            await self.on_started()


def server_for(app: Gateway) -> AnnouncingServer:
    """A server that speaks HTTP/1.1 through httptools, logs no request, and keeps streams unbuffered."""
    return AnnouncingServer(
        uvicorn.Config(
            _quiet_when_cut(app),
            http=Door,
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE,
        )
    )


def _quiet_when_cut(app: Gateway) -> uvicorn._types.ASGI3Application:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:  # noqa: SIM105 # a context manager costs each request a microsecond or two
            await app(scope, receive, send)
        except AnswerCut:
            pass

    return run  # type: ignore[return-value] # our scope is any mapping, uvicorn's a union of typed ones


async def serve(environ: Mapping[str, str]) -> None:
    """Serve until the supervisor says drain, hangs up, or a signal comes."""
    listeners = inherited_sockets(environ["LLM_ROUTER_LISTEN_FDS"])
    channel = socket.socket(fileno=int(environ["LLM_ROUTER_CONTROL_FD"]))
    translator = listeners.get("translator")
    home = Home(Path(environ["LLM_ROUTER_HOME"]))
    state = GatewayState()
    client = UpstreamClient()
    ledger = Ledger(home.ledger)
    recorder = Recorder(EventLog(home.events), ledger, Metrics(), wall=time.time)
    store = MemoryStore(Keeper(home, on_event=recorder.state_event))
    port = translator.getsockname()[1] if translator is not None else None
    app = Gateway(state, client, store, recorder, port)
    server = server_for(app)

    def drain() -> None:
        server.should_exit = True

    handlers = Handlers(drain, app.desk.perform, recorder.configured)
    control = ControlChannel(state, home, environ, handlers)
    server.on_started = control.announce_ready
    listening = asyncio.create_task(control.serve(channel), name="supervisor-channel")
    await control.configured.wait()
    ledger.open()
    await store.open()
    # What is there now stays: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        await server.serve(sockets=list(listeners.values()))
    finally:
        listening.cancel()
        await client.close()
        await store.close()
        ledger.close()


def main() -> int:
    """Run the gateway; the exit code of the process."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    import uvloop

    uvloop.run(serve(os.environ))
    return 0
