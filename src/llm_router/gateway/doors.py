"""The `/upstream/<route>` doors: LiteLLM's way back to an upstream, which gets its credential only here."""

import time
from collections.abc import Callable

from llm_router.gateway import admission, verdicts
from llm_router.gateway import headers as filters
from llm_router.gateway.calls import Call, NotUsable, Opened, open_direct
from llm_router.gateway.delivery import AnswerCut
from llm_router.gateway.exchange import Exchange
from llm_router.gateway.hops import Hop, Hops
from llm_router.gateway.state import GatewayState, Snapshot, Translator
from llm_router.gateway.upstream import UpstreamClient, UpstreamFailure
from llm_router.gateway.verdicts import Verdict
from llm_router.providers.endpoints import Operation, client_path
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Upstream, Wire, parse_route
from llm_router.routing.readings import read_failure, read_stream_error
from llm_router.wire.errors import Failure
from llm_router.wire.sse import EventStream, has_terminal
from llm_router.wire.usage import UsageReader, usage_of_body

PREFIX = "/upstream/"
_OPERATIONS = {
    client_path(wire, operation): (wire, operation)
    for wire, operation in (
        (Wire.CHAT, Operation.GENERATE),
        (Wire.RESPONSES, Operation.GENERATE),
        (Wire.RESPONSES, Operation.COUNT_TOKENS),
        (Wire.MESSAGES, Operation.GENERATE),
        (Wire.MESSAGES, Operation.COUNT_TOKENS),
    )
}


class Doors:
    """Serves LiteLLM's calls. No failover here: the one loop is in `relay`, around LiteLLM."""

    def __init__(
        self, state: GatewayState, client: UpstreamClient, hops: Hops, wall: Callable[[], float] = time.time
    ) -> None:
        self._state = state
        self._wall = wall
        self._client = client
        self._hops = hops

    async def serve(self, exchange: Exchange, most: int) -> None:
        """Answer one call of LiteLLM's. Raises AnswerCut, ClientGone and BodyTooLarge."""
        peer = exchange.scope.get("client")
        translator = self._state.translator_of_door(admission.shown_key(exchange.headers))
        if translator is None or peer is None:
            await exchange.fail(Failure(401, "invalid_api_key", "This door opens for the router's translator only"))
            return
        if not admission.is_this_machine(str(peer[0]), translator.snapshot.plan.gateway):
            await exchange.fail(Failure(403, "not_this_machine", "This door opens on this machine only"))
            return
        route, _, path = exchange.path.removeprefix(PREFIX).partition("/")
        upstream, call = await self._read(exchange, translator, route, "/" + path, most)
        if upstream is None or call is None:
            await exchange.fail(Failure(404, "no_such_door", f"There is no door `{route}/{path}`"))
            return
        async with exchange.until_client_leaves():
            await self._pass(exchange, translator.snapshot, upstream, call)

    async def _read(
        self, exchange: Exchange, translator: Translator, route: str, path: str, most: int
    ) -> tuple[Upstream | None, Call | None]:
        try:
            name, wire = parse_route(route)
        except ValueError:
            return None, None
        upstream = translator.snapshot.plan.upstreams.get(name)
        known_wire, operation = _OPERATIONS.get(path, (None, Operation.GENERATE))
        if exchange.method != "POST" or upstream is None or known_wire is not wire or wire not in upstream.wires:
            return None, None
        exchange.wire = wire
        call = Call(
            wire=wire,
            operation=operation,
            headers=exchange.headers,
            query=exchange.query,
            body=await exchange.body(most, translator.snapshot.plan.gateway.timeouts.idle),
            request_id=exchange.headers.get(filters.TRACE_HEADER, ""),
        )
        return upstream, call

    async def _pass(self, exchange: Exchange, snapshot: Snapshot, upstream: Upstream, call: Call) -> None:
        hop = self._hops.at_door(call.request_id)
        try:
            opened = await open_direct(self._client, snapshot, upstream, call)
        except NotUsable as error:
            await self._refuse(exchange, hop, verdicts.of_unusable(str(error)))
            return
        except UpstreamFailure as error:
            await self._refuse(exchange, hop, verdicts.of_network(upstream.name, error))
            return
        if opened.status >= 400 or opened.error:
            self._note(hop, call, upstream, opened)
        await self._send_on(exchange, call, opened, hop)

    async def _refuse(self, exchange: Exchange, hop: Hop, verdict: Verdict) -> None:
        hop.verdict = verdict
        await self._hops.pass_on(hop)
        await exchange.fail(verdict.failure)

    def _note(self, hop: Hop, call: Call, upstream: Upstream, opened: Opened) -> None:
        now = self._wall()
        reading = read_stream_error(opened.head, now) if opened.error else None
        if reading is None:
            reading = read_failure(opened.status, dict(opened.reply.headers), opened.head, now)
        if call.operation is Operation.COUNT_TOKENS and reading.outcome is Outcome.REQUEST:
            return  # LiteLLM asks whether an upstream can count, and counts by itself when it cannot
        hop.verdict = verdicts.of_reading(upstream.name, opened.status, reading)

    async def _send_on(self, exchange: Exchange, call: Call, opened: Opened, hop: Hop) -> None:
        """Pass an answer to LiteLLM as it is; where it breaks off, break off too, and LiteLLM tells the client."""
        headers = filters.for_client(opened.reply.headers)
        usage = UsageReader(call.wire) if opened.reply.is_stream and has_terminal(call.wire) else None
        events = EventStream(call.wire) if usage is not None else None
        try:
            if opened.whole:
                headers.append(("content-length", str(len(opened.head))))
                hop.usage = usage_of_body(call.wire, opened.head) if opened.status < 400 else None
            await self._hops.pass_on(hop)
            await exchange.start(opened.status, headers)
            chunk = opened.head
            while chunk:
                if usage is not None and events is not None:
                    usage.feed(events.feed(chunk))
                    hop.usage = usage.usage or hop.usage
                    await self._hops.pass_on(hop)
                await exchange.send(chunk)
                chunk = b"" if opened.whole else await opened.read()
            await exchange.finish()
        except UpstreamFailure as error:
            raise AnswerCut from error
        finally:
            opened.close()
