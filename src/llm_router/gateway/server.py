"""The gateway's ASGI application: a table of paths, admission before each, and errors in the client's own format."""

import json
import logging

from llm_router.errors import nearest_first
from llm_router.gateway import admission, models
from llm_router.gateway.calls import Call
from llm_router.gateway.doors import PREFIX, Doors
from llm_router.gateway.exchange import BodyTooLarge, ClientGone, Exchange, Receive, Scope, Send
from llm_router.gateway.hops import Hops
from llm_router.gateway.relay import AnswerCut, Relay, unavailable
from llm_router.gateway.state import GatewayState, Snapshot
from llm_router.gateway.upstream import UpstreamClient
from llm_router.providers.endpoints import Operation, client_path
from llm_router.routing.plan import Wire
from llm_router.wire.body import InvalidBody, read_facts
from llm_router.wire.errors import Failure

_log = logging.getLogger(__name__)
_CALLS = {
    client_path(wire, operation): (wire, operation)
    for wire, operation in (
        (Wire.CHAT, Operation.GENERATE),
        (Wire.RESPONSES, Operation.GENERATE),
        (Wire.MESSAGES, Operation.GENERATE),
        (Wire.MESSAGES, Operation.COUNT_TOKENS),
        (Wire.EMBEDDINGS, Operation.GENERATE),
    )
}
_MODELS = "/v1/models"
_NEAREST = 5
_LONGEST_SHOWN = 200


class Gateway:
    """The application. `translator_port` is the door whose requests always take the translated lane."""

    def __init__(self, state: GatewayState, client: UpstreamClient, translator_port: int | None = None) -> None:
        hops = Hops()
        self._state = state
        self._relay = Relay(state, client, hops)
        self._doors = Doors(state, client, hops)
        self._translator_port = translator_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from its head to the last byte of its answer."""
        exchange = Exchange(scope, receive, send)
        self._state.in_flight += 1
        try:
            await self._serve(exchange)
        except ClientGone:
            pass
        except BodyTooLarge:
            most = self._most_bytes()
            await exchange.fail(Failure(413, "request_too_large", f"The body is larger than {most} bytes"))
        except AnswerCut:
            raise
        except Exception:
            _log.exception("request %s met a bug", exchange.request_id)
            if exchange.started:
                raise
            await exchange.fail(Failure(500, "internal_error", "The router met a bug; its log has the details"))
        finally:
            self._state.in_flight -= 1

    def _most_bytes(self) -> int:
        return self._state.snapshot.plan.gateway.max_body_bytes if self._state.snapshot else 0

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.path in _CALLS:
            exchange.wire = _CALLS[exchange.path][0]
        snapshot = self._state.snapshot
        if snapshot is None:
            await exchange.fail(unavailable("The router is starting"))
            return
        if exchange.path.startswith(PREFIX):
            await self._doors.serve(exchange, 2 * snapshot.plan.gateway.max_body_bytes)
            return
        server = exchange.scope.get("server") or ("", None)
        refused = admission.check_origin(exchange.headers, snapshot.plan.gateway, str(server[0]))
        if refused is None and not await self._serve_open(exchange, snapshot):
            refused = admission.check_key(exchange.headers, snapshot)
            if refused is None:
                await self._serve_known(exchange, snapshot, translate=server[1] == self._translator_port)
        if refused is not None:
            await exchange.fail(refused)

    async def _serve_open(self, exchange: Exchange, snapshot: Snapshot) -> bool:
        """The paths that need no key and tell nothing."""
        if exchange.method not in {"GET", "HEAD"}:
            return False
        match exchange.path:
            case "/":
                await exchange.answer(200, b'{"service": "llm-router"}')
            case "/healthz":
                await exchange.answer(200, b'{"status": "ok"}')
            case "/readyz":
                await self._answer_ready(exchange, snapshot)
            case _:
                return False
        return True

    async def _answer_ready(self, exchange: Exchange, snapshot: Snapshot) -> None:
        ready = bool(models.reachable(snapshot))
        reason = "ready" if ready else "no account can answer for any model"
        body = json.dumps({"status": "ok" if ready else "unavailable", "reason": reason}).encode()
        await exchange.answer(200 if ready else 503, body)

    async def _serve_known(self, exchange: Exchange, snapshot: Snapshot, *, translate: bool) -> None:
        if exchange.path in _CALLS:
            if exchange.method != "POST":
                exchange.extra_headers.append(("allow", "POST"))
                await exchange.fail(Failure(405, "method_not_allowed", f"`{exchange.path}` takes POST"))
                return
            await self._serve_call(exchange, snapshot, translate=translate)
            return
        anthropic = "anthropic-version" in exchange.headers
        names = models.reachable(snapshot)
        path = exchange.path
        if exchange.method in {"GET", "HEAD"} and path == _MODELS:
            await exchange.answer(200, models.list_body(names, anthropic=anthropic))
        elif exchange.method in {"GET", "HEAD"} and path.removeprefix(_MODELS + "/") in names:
            await exchange.answer(200, models.model_body(path.removeprefix(_MODELS + "/"), anthropic=anthropic))
        elif exchange.method in {"GET", "HEAD"} and path == "/router/models":
            await exchange.answer(200, models.lanes_body(snapshot))
        elif path.startswith(_MODELS + "/"):
            await exchange.fail(_unknown_model(snapshot, path.removeprefix(_MODELS + "/")))
        else:
            await exchange.fail(
                Failure(404, "not_found", f"There is nothing at `{exchange.method} {path[:_LONGEST_SHOWN]}`")
            )

    async def _serve_call(self, exchange: Exchange, snapshot: Snapshot, *, translate: bool) -> None:
        body = await exchange.body(snapshot.plan.gateway.max_body_bytes)
        try:
            facts = read_facts(body)
        except InvalidBody as error:
            await exchange.fail(Failure(400, "invalid_request_error", f"The request cannot be read: {error}"))
            return
        if not snapshot.plan.candidates(facts.model):
            await exchange.fail(_unknown_model(snapshot, facts.model))
            return
        wire, operation = _CALLS[exchange.path]
        call = Call(
            wire=wire,
            operation=operation,
            headers=exchange.headers,
            query=exchange.query,
            body=body,
            request_id=exchange.request_id,
        )
        await self._relay.serve(exchange, call, facts.model, translate=translate)


def _unknown_model(snapshot: Snapshot, model: str) -> Failure:
    shown = model[:_LONGEST_SHOWN]  # comparing a name of megabytes would hold everybody up
    near = nearest_first(shown, models.near_names(snapshot.plan))[:_NEAREST]
    known = ", ".join(f"`{name}`" for name in near) or "none"
    return Failure(404, "model_not_found", f"There is no model `{shown}`; nearest: {known}", param="model")
