"""The `/upstream/<route>` doors: LiteLLM's way back to an upstream, which gets its credential only here."""

from llm_router.gateway import admission
from llm_router.gateway import headers as filters
from llm_router.gateway.calls import Call, NotUsable, Opened, open_direct
from llm_router.gateway.exchange import Exchange
from llm_router.gateway.hops import Hops
from llm_router.gateway.relay import AnswerCut, network_failure, unavailable, upstream_failure
from llm_router.gateway.state import GatewayState, Snapshot, Translator
from llm_router.gateway.upstream import UpstreamClient, UpstreamFailure
from llm_router.providers.endpoints import Operation, client_path
from llm_router.routing.outcome import Outcome, classify, may_rotate
from llm_router.routing.plan import Upstream, Wire, parse_route
from llm_router.wire.errors import Failure, read_error

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

    def __init__(self, state: GatewayState, client: UpstreamClient, hops: Hops) -> None:
        self._state = state
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
            body=await exchange.body(most),
            request_id=exchange.headers.get(filters.TRACE_HEADER, ""),
        )
        return upstream, call

    async def _pass(self, exchange: Exchange, snapshot: Snapshot, upstream: Upstream, call: Call) -> None:
        try:
            opened = await open_direct(self._client, snapshot, upstream, call)
        except NotUsable as error:
            await self._refuse(exchange, call, unavailable(str(error)))
            return
        except UpstreamFailure as error:
            await self._refuse(exchange, call, network_failure(upstream.name, error))
            return
        outcome = classify(opened.reply.status)
        if outcome is not Outcome.SUCCESS:
            self._note(call, upstream, opened)
        await _send_on(exchange, opened)

    async def _refuse(self, exchange: Exchange, call: Call, failure: Failure) -> None:
        self._hops.note(call.request_id, failure)
        await exchange.fail(failure)

    def _note(self, call: Call, upstream: Upstream, opened: Opened) -> None:
        outcome = classify(opened.reply.status)
        if call.operation is Operation.COUNT_TOKENS and outcome is Outcome.REQUEST:
            return  # LiteLLM asks whether an upstream can count, and counts by itself when it cannot
        if may_rotate(outcome):
            failure, _ = upstream_failure(upstream.name, outcome, opened)
        else:
            message, code = read_error(opened.head)
            failure = Failure(opened.reply.status, code or "invalid_request_error", message or "the upstream refused")
        self._hops.note(call.request_id, failure)


async def _send_on(exchange: Exchange, opened: Opened) -> None:
    """Pass an answer to LiteLLM as it is; where it breaks off, break off too, and LiteLLM tells the client."""
    headers = filters.for_client(opened.reply.headers)
    try:
        if opened.whole:
            headers.append(("content-length", str(len(opened.head))))
        await exchange.start(opened.reply.status, headers)
        chunk = opened.head
        while chunk:
            await exchange.send(chunk)
            chunk = b"" if opened.whole else await opened.reply.read()
        await exchange.finish()
    except UpstreamFailure as error:
        raise AnswerCut from error
    finally:
        opened.reply.close()
