"""The gateway as a process: inherited sockets, a control channel, and uvicorn between them."""

import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from llm_router.gateway.control_channel import ControlChannel
from llm_router.gateway.delivery import AnswerCut
from llm_router.gateway.exchange import Receive, Scope, Send
from llm_router.gateway.hops import Hops
from llm_router.gateway.http_door import Door
from llm_router.gateway.metrics import Metrics
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.server import Gateway
from llm_router.gateway.share import FairDoors, Share
from llm_router.gateway.state import GatewayState, Snapshot
from llm_router.gateway.upstream import UpstreamClient
from llm_router.home import Home
from llm_router.journal.events import EventLog
from llm_router.journal.ledger import Ledger, LedgerOptions
from llm_router.state.memory_limits import REAL_CLOCKS, Clocks
from llm_router.state.opening import make_store
from llm_router.state.port import StateStore

TEST_CLOCK = "LLM_ROUTER_TEST_CLOCK"
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
    share: Share | None = None  # with the other workers on the same doors; None where there can be none
    _doors: FairDoors | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call `on_started`."""
        if self.share is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            self._doors = FairDoors(self.share, self._connection, lambda: len(self.server_state.connections))
            self._doors.open(sockets or [])
        if self.on_started is not None:
            await self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and finish what is under way."""
        if self._doors is not None:
            self._doors.close()
            if self._doors.coming:
                await asyncio.wait(self._doors.coming)
        await super().shutdown(sockets)

    def _connection(self) -> asyncio.Protocol:
        return Door(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


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
    home = Home(Path(environ["LLM_ROUTER_HOME"]))
    state, drained = GatewayState(), asyncio.Event()
    control = ControlChannel(state, home, environ, drain=drained.set)
    listening = asyncio.create_task(control.serve(channel), name="supervisor-channel")
    try:
        if (snapshot := await control.first_snapshot()) is None:
            return
        async with _records(snapshot, home, environ) as (recorder, store):
            client = UpstreamClient()
            translator = listeners.get("translator")
            port = translator.getsockname()[1] if translator is not None else None
            hops = Hops(home.runtime)
            hops.open()
            app = Gateway(state, client, store, recorder, port, hops)
            control.attach(app.desk, recorder)
            share = Share(home.runtime / "doors.share") if snapshot.plan.state.is_shared else None
            try:
                await _run(app, control, list(listeners.values()), drained, share)
            finally:
                hops.close()
            await client.close()
    finally:
        listening.cancel()


@asynccontextmanager
async def _records(
    snapshot: Snapshot, home: Home, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Recorder, StateStore]]:
    """What outlives a request: ledger, events, and the state that limits and health are kept in."""
    clocks = _clocks(environ)
    ledger = Ledger(home.ledger, LedgerOptions(retention_days=snapshot.plan.ledger_days, wall=clocks.wall))
    ledger.open()
    recorder = Recorder(EventLog(home.events, kept_open=True), ledger, Metrics(), wall=clocks.wall)
    recorder.configured(snapshot)
    store = make_store(snapshot.plan.state, home=home, environ=environ, on_event=recorder.state_event, clocks=clocks)
    await store.open()
    try:
        yield recorder, store
    finally:
        await store.close()
        recorder.close()
        ledger.close()


def _clocks(environ: Mapping[str, str]) -> Clocks:
    """The machine's clocks; those of a test, which can let minutes pass, in a gateway that a test launched."""
    if TEST_CLOCK not in environ:
        return REAL_CLOCKS
    from llm_router.testing.clock import MovedClock

    return MovedClock(Path(environ[TEST_CLOCK])).clocks()


async def _run(
    app: Gateway, control: ControlChannel, doors: list[socket.socket], drained: asyncio.Event, share: Share | None
) -> None:
    server = server_for(app)
    server.share = share
    server.on_started = control.announce_ready
    draining = asyncio.create_task(_drain(server, drained), name="drain")
    # What is there now stays: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        await server.serve(sockets=doors)
    finally:
        draining.cancel()


async def _drain(server: AnnouncingServer, drained: asyncio.Event) -> None:
    await drained.wait()
    server.should_exit = True


def main() -> int:
    """Run the gateway; the exit code of the process."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    import uvloop

    uvloop.run(serve(os.environ))
    return 0
