"""The gateway's ASGI application: a table of paths, admission before each, and errors in the client's own format."""

import json
import logging
import re

from llm_router.errors import nearest_first
from llm_router.gateway import admission, models, verdicts
from llm_router.gateway.caller import Caller
from llm_router.gateway.calls import Call
from llm_router.gateway.delivery import AnswerCut
from llm_router.gateway.desk import Desk
from llm_router.gateway.doors import PREFIX, Doors
from llm_router.gateway.exchange import BodyTooLarge, BodyTooSlow, ClientGone, Exchange, Receive, Scope, Send
from llm_router.gateway.guard import Asked, Guard, clamp
from llm_router.gateway.hops import Hops
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.relay import Relay
from llm_router.gateway.run import Run
from llm_router.gateway.selector import Selector
from llm_router.gateway.state import GatewayState, Snapshot
from llm_router.gateway.story import Story
from llm_router.gateway.upstream import UpstreamClient
from llm_router.gateway.verdicts import unavailable
from llm_router.journal.ledger_row import session_mark
from llm_router.providers.endpoints import Operation, client_path
from llm_router.routing.plan import Wire
from llm_router.secrets.client_keys import ClientKey
from llm_router.state.port import StateStore
from llm_router.wire.body import InvalidBody, decode, facts_of
from llm_router.wire.errors import Failure
from llm_router.wire.facts import opening_texts, read_limit_facts

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
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_NEAREST = 5
_LONGEST_SHOWN = 200


class Gateway:
    """The application. `translator_port` is the door whose requests always take the translated lane."""

    def __init__(
        self,
        state: GatewayState,
        client: UpstreamClient,
        store: StateStore,
        recorder: Recorder,
        translator_port: int | None = None,
        hops: Hops | None = None,
    ) -> None:
        hops = hops or Hops()
        self._state = state
        self._recorder = recorder
        self._selector = selector = Selector(store, recorder)
        self._relay = Relay(Caller(state, client, hops, recorder), hops, Guard(store, recorder), selector, recorder)
        self._doors = Doors(state, client, hops, recorder.now)
        self.desk = Desk(state, store, selector)
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
        except BodyTooSlow:
            await exchange.fail(Failure(408, "request_timeout", "The body did not come in time"), linger=False)
        except AnswerCut:
            raise
        except Exception:
            _log.exception("request %s met a bug", exchange.request_id)
            if exchange.started:
                raise
            await self._recorder.written()
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
        is_call = exchange.path in _CALLS
        if refused is None and (is_call or not await self._serve_open(exchange, snapshot)):
            key = admission.check_key(exchange.headers, snapshot)
            if isinstance(key, Failure):
                refused = key
            else:
                await self._serve_known(exchange, snapshot, key, translate=server[1] == self._translator_port)
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

    async def _serve_known(self, exchange: Exchange, snapshot: Snapshot, key: ClientKey, *, translate: bool) -> None:
        if exchange.path in _CALLS:
            if exchange.method != "POST":
                exchange.extra_headers.append(("allow", "POST"))
                await exchange.fail(Failure(405, "method_not_allowed", f"`{exchange.path}` takes POST"))
                return
            await self._serve_call(exchange, snapshot, key, translate=translate)
            return
        anthropic = "anthropic-version" in exchange.headers
        names = [name for name in models.reachable(snapshot) if key.allows_model(name)]
        path = exchange.path
        if exchange.method in {"GET", "HEAD"} and path == _MODELS:
            await exchange.answer(200, models.list_body(names, anthropic=anthropic))
        elif exchange.method in {"GET", "HEAD"} and path.removeprefix(_MODELS + "/") in names:
            await exchange.answer(200, models.model_body(path.removeprefix(_MODELS + "/"), anthropic=anthropic))
        elif exchange.method in {"GET", "HEAD"} and path == "/router/models":
            await exchange.answer(200, models.lanes_body(snapshot))
        elif exchange.method in {"GET", "HEAD"} and path == "/metrics":
            await exchange.answer(200, self._recorder.metrics.text(self._gauges()), content_type=_METRICS_TYPE)
        elif path.startswith(_MODELS + "/"):
            await exchange.fail(_unknown_model(snapshot, path.removeprefix(_MODELS + "/")))
        else:
            await exchange.fail(
                Failure(404, "not_found", f"There is nothing at `{exchange.method} {path[:_LONGEST_SHOWN]}`")
            )

    def _gauges(self) -> dict[str, float]:
        return {"llm_router_requests_in_flight": float(self._state.in_flight)}

    async def _serve_call(self, exchange: Exchange, snapshot: Snapshot, key: ClientKey, *, translate: bool) -> None:
        try:
            body = await exchange.body(snapshot.plan.gateway.max_body_bytes, snapshot.plan.gateway.timeouts.idle)
            held = decode(body)
            facts = facts_of(held)
        except (BodyTooLarge, BodyTooSlow) as error:
            status, code = (413, "request_too_large") if isinstance(error, BodyTooLarge) else (408, "request_timeout")
            await self._write_down(exchange, key, status, code)
            raise
        except InvalidBody as error:
            failure = Failure(400, "invalid_request_error", f"The request cannot be read: {error}")
            await self._refuse(exchange, key, failure)
            return
        if not key.allows_model(facts.model):
            await self._refuse(exchange, key, verdicts.out_of_scope(facts.model), facts.model)
            return
        if not self._selector.route(snapshot.plan, facts.model).names:
            await self._refuse(exchange, key, _unknown_model(snapshot, facts.model), facts.model)
            return
        wire, operation = _CALLS[exchange.path]
        limits = read_limit_facts(wire, held, exchange.headers, body)
        call = Call(wire, operation, exchange.headers, exchange.query, body, exchange.request_id)
        call, extra = clamp(call, key.limits, limits)
        story = Story(
            request_id=exchange.request_id,
            started=exchange.began,
            started_at=self._recorder.now(),
            wire=wire,
            model=facts.model,
            key=key.name,
            session=session_mark(key.name, limits.session or f"opening {opening_texts(held)}"),
            streamed=facts.stream,
            bytes_in=len(body),
            prompt_tokens=limits.prompt_tokens,
            traceparent=_traceparent(exchange.headers["traceparent"]) if "traceparent" in exchange.headers else "",
        )
        run = Run(exchange, call, story, Asked(key, limits), snapshot, extra, translate)
        await self._relay.serve(run)

    async def _refuse(self, exchange: Exchange, key: ClientKey, failure: Failure, model: str = "") -> None:
        """Answer a call for which nobody can be asked."""
        await self._write_down(exchange, key, failure.status_for(exchange.wire), failure.code, model)
        await exchange.fail(failure)

    async def _write_down(self, exchange: Exchange, key: ClientKey, status: int, code: str, model: str = "") -> None:
        """The row of a call that ends before it has begun."""
        story = Story(
            request_id=exchange.request_id,
            started=exchange.began,
            started_at=self._recorder.now(),
            wire=exchange.wire,
            model=model,
            key=key.name,
            traceparent=_traceparent(exchange.headers.get("traceparent", "")),
        )
        self._recorder.conclude(story, status, None, code)
        await self._recorder.written()


def _traceparent(value: str) -> str:
    """A W3C trace context as the ledger keeps it; an empty text when it is none."""
    return value if _TRACEPARENT.fullmatch(value) else ""


def _unknown_model(snapshot: Snapshot, model: str) -> Failure:
    shown = model[:_LONGEST_SHOWN]  # comparing a name of megabytes would hold everybody up
    near = nearest_first(shown, models.near_names(snapshot.plan))[:_NEAREST]
    known = ", ".join(f"`{name}`" for name in near) or "none"
    return Failure(404, "model_not_found", f"There is no model `{shown}`; nearest: {known}", param="model")
