"""The one loop: a client's request walks the candidates until one answers, and never after the first byte of output."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_router.gateway import headers as filters
from llm_router.gateway.calls import Call, NotUsable, Opened, open_direct, open_translated
from llm_router.gateway.exchange import ClientGone, Exchange
from llm_router.gateway.hops import Hops
from llm_router.gateway.state import GatewayState, Snapshot, Translator
from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamFailure
from llm_router.providers.endpoints import Operation
from llm_router.routing.outcome import Outcome, classify, may_rotate
from llm_router.routing.plan import Candidate, Lane, Plan, Wire, deployment_name
from llm_router.wire.body import replace_model
from llm_router.wire.errors import Failure, error_event, read_error
from llm_router.wire.sse import EventStream, has_terminal

_TIMED_OUT = frozenset({Reason.CONNECT_TIMEOUT, Reason.FIRST_BYTE_TIMEOUT, Reason.IDLE_TIMEOUT})
# A translator that is gone is replaced; any other failure of its would come again.
_WORTH_WAITING = frozenset({Reason.CONNECT, Reason.CONNECT_TIMEOUT, Reason.BROKEN})
_MOST_BROKEN = 3  # a request that brings down every translator it meets is given up on
_TRANSLATOR_PAUSE = 0.25  # seconds between two tries while a translator is replaced


class AnswerCut(Exception):
    """An answer that had begun cannot be completed; only closing the connection tells the client."""


@dataclass(slots=True)
class Attempts:
    """What has been tried for one request."""

    count: int = 0
    failure: Failure | None = None
    kept: Opened | None = None  # the last error answer an upstream gave, to be returned if nobody does better
    reasons: list[str] = field(default_factory=list)

    def note(self, candidate: Candidate, failure: Failure, answer: Opened | None = None) -> None:
        """Remember how one candidate failed."""
        if self.kept is not None:
            self.kept.reply.close()
        self.failure, self.kept = failure, answer
        self.reasons.append(f"{candidate}: {failure.message}")


def walk(plan: Plan, model: str) -> Iterator[Candidate]:
    """Every candidate for a model, in order, then those of its fallbacks; each once."""
    seen: set[Candidate] = set()
    alias: str | None = model
    visited: set[str] = set()
    while alias is not None and alias not in visited:
        visited.add(alias)
        for candidate in plan.candidates(alias):
            if candidate not in seen:
                seen.add(candidate)
                yield candidate
        alias = plan.policy.fallbacks.get(alias)


class Relay:
    """Answers requests from upstreams. One for the life of the process."""

    def __init__(self, state: GatewayState, client: UpstreamClient, hops: Hops) -> None:
        self._state = state
        self._client = client
        self._hops = hops

    async def serve(self, exchange: Exchange, call: Call, model: str, *, translate: bool) -> None:
        """Answer one request; `translate` sends it through LiteLLM even where its wire is spoken. Raises AnswerCut."""
        attempts = Attempts()
        try:
            async with exchange.until_client_leaves():
                await self._walk(exchange, call, model, attempts, translate=translate)
        except ClientGone:
            return
        finally:
            self._hops.forget(call.request_id)
            if attempts.kept is not None:
                attempts.kept.reply.close()

    async def _walk(self, exchange: Exchange, call: Call, model: str, attempts: Attempts, *, translate: bool) -> None:
        snapshot = _in_force(self._state)
        for candidate in walk(snapshot.plan, model):
            lane = snapshot.plan.lane(candidate, call.wire, translate=translate)
            if lane is None:
                attempts.note(candidate, _no_lane(candidate, call.wire))
                continue
            attempts.count += 1
            if await self._try(exchange, call, snapshot, (candidate, lane), attempts):
                return
        await self._give_up(exchange, attempts)

    async def _try(
        self, exchange: Exchange, call: Call, snapshot: Snapshot, way: tuple[Candidate, Lane], attempts: Attempts
    ) -> bool:
        """Ask one candidate; True when the client has its answer."""
        candidate, lane = way
        _describe(exchange, candidate, lane, attempts.count)
        if lane is Lane.DIRECT:
            return await self._try_direct(exchange, call, snapshot, candidate, attempts)
        return await self._try_translated(exchange, call, way, attempts)

    async def _try_direct(
        self, exchange: Exchange, call: Call, snapshot: Snapshot, candidate: Candidate, attempts: Attempts
    ) -> bool:
        upstream = snapshot.plan.upstreams[candidate.upstream]
        sent = call.with_body(replace_model(call.body, candidate.model))
        try:
            opened = await open_direct(self._client, snapshot, upstream, sent)
        except NotUsable as error:
            attempts.note(candidate, unavailable(str(error)))
            return False
        except UpstreamFailure as error:
            attempts.note(candidate, network_failure(candidate.upstream, error))
            return False
        return await self._judge(exchange, call, candidate, opened, attempts)

    async def _try_translated(
        self, exchange: Exchange, call: Call, way: tuple[Candidate, Lane], attempts: Attempts
    ) -> bool:
        """Ask through LiteLLM, waiting for one that starts or is being replaced as long as the plan allows."""
        candidate, _ = way
        failure = unavailable("The translator (LiteLLM) is not ready")
        clock = asyncio.get_running_loop().time
        deadline = clock() + _in_force(self._state).plan.gateway.timeouts.translator
        broken = 0
        while broken < _MOST_BROKEN:
            if (translator := self._state.translator) is not None:
                with translator.use():
                    try:
                        opened = await self._open_translated(translator, call, way)
                    except UpstreamFailure as error:
                        failure = network_failure("litellm", error)
                        if error.reason not in _WORTH_WAITING:
                            break
                        broken += error.reason is Reason.BROKEN
                    else:
                        return await self._judge_translated(exchange, call, way, opened, attempts)
            left = deadline - clock()
            if left <= 0:
                break
            await self._state.changed(left if translator is None else min(left, _TRANSLATOR_PAUSE))
        attempts.note(candidate, failure)
        return False

    async def _open_translated(self, translator: Translator, call: Call, way: tuple[Candidate, Lane]) -> Opened:
        self._hops.forget(call.request_id)  # what an earlier candidate met does not explain how this one fails
        sent = call.with_body(replace_model(call.body, _translated_name(translator.snapshot, way, call)))
        return await open_translated(self._client, translator, sent)

    async def _judge_translated(
        self, exchange: Exchange, call: Call, way: tuple[Candidate, Lane], opened: Opened, attempts: Attempts
    ) -> bool:
        candidate, _ = way
        if opened.reply.status < 400:
            return await self._judge(exchange, call, candidate, opened, attempts)
        opened.reply.close()
        failure = self._hops.failure_of(call.request_id) or _translator_failure(opened)
        if may_rotate(classify(failure.status)):
            attempts.note(candidate, failure)
            return False
        await exchange.fail(failure)
        return True

    async def _judge(
        self, exchange: Exchange, call: Call, candidate: Candidate, opened: Opened, attempts: Attempts
    ) -> bool:
        outcome = classify(opened.reply.status)
        if may_rotate(outcome):
            failure, shown = upstream_failure(candidate.upstream, outcome, opened)
            attempts.note(candidate, failure, shown)
            return False
        await deliver(exchange, call, opened)
        return True

    async def _give_up(self, exchange: Exchange, attempts: Attempts) -> None:
        if attempts.kept is not None:
            kept, attempts.kept = attempts.kept, None
            await deliver(exchange, None, kept)
            return
        await exchange.fail(attempts.failure or unavailable("No account can answer for this model"))


async def deliver(exchange: Exchange, call: Call | None, opened: Opened) -> None:
    """Send an answer on: whole, or as it comes. Closes it. Raises AnswerCut."""
    try:
        headers = filters.for_client(opened.reply.headers)
        if opened.whole:
            headers.append(("content-length", str(len(opened.head))))
            await exchange.start(opened.reply.status, headers)
            await exchange.finish(opened.head)
            return
        await exchange.start(opened.reply.status, headers)
        if call is not None and _ends_are_known(call, opened):
            await _stream_events(exchange, call, opened)
        else:
            await _stream_bytes(exchange, opened)
    finally:
        opened.reply.close()


def _ends_are_known(call: Call, opened: Opened) -> bool:
    """Whether the answer is a stream of events whose format promises an end."""
    is_events = opened.reply.is_stream and not opened.reply.header("content-encoding")
    return is_events and call.operation is Operation.GENERATE and has_terminal(call.wire)


async def _stream_events(exchange: Exchange, call: Call, opened: Opened) -> None:
    events = EventStream(call.wire)
    chunk = opened.head
    broken = ""
    try:
        while chunk:
            if ready := events.feed(chunk):
                await exchange.send(ready)
            chunk = await opened.reply.read()
    except UpstreamFailure as error:
        broken = error.detail
    rest = b"" if broken else events.rest()
    if not events.finished:
        failure = Failure(502, "stream_disconnected", f"The upstream broke off: {broken or 'its stream has no end'}")
        rest = error_event(failure, call.wire, exchange.request_id)
    await exchange.finish(rest)


async def _stream_bytes(exchange: Exchange, opened: Opened) -> None:
    chunk = opened.head
    try:
        while chunk:
            await exchange.send(chunk)
            chunk = await opened.reply.read()
    except UpstreamFailure as error:
        raise AnswerCut from error
    await exchange.finish()


def unavailable(message: str) -> Failure:
    """Nobody can answer now."""
    return Failure(503, "provider_unavailable", message, retry_after=1)


def network_failure(upstream: str, error: UpstreamFailure) -> Failure:
    """An upstream that could not be reached or did not answer."""
    if error.reason in _TIMED_OUT:
        return Failure(504, "timeout", f"`{upstream}` did not answer: {error.detail}")
    return unavailable(f"`{upstream}` cannot be reached: {error.detail}")


def upstream_failure(upstream: str, outcome: Outcome, opened: Opened) -> tuple[Failure, Opened | None]:
    """An upstream's refusal, and its own answer where a client may see it."""
    message, code = read_error(opened.head)
    status = opened.reply.status
    if outcome is Outcome.CREDENTIAL:
        # A client that is told 401 throws its own sign-in away, though it was the upstream's that failed.
        opened.reply.close()
        text = f"`{upstream}` refused the router's key with {status}: {message or 'no reason given'}"
        return Failure(502, "upstream_auth_failed", text, should_retry=False), None
    return Failure(status, code or "upstream_error", message or f"`{upstream}` answered {status}"), opened


def _translator_failure(opened: Opened) -> Failure:
    message, code = read_error(opened.head)
    status = opened.reply.status
    return Failure(
        502 if status == 401 else status, code or "translator_error", message or "LiteLLM refused the request"
    )


def _no_lane(candidate: Candidate, wire: Wire) -> Failure:
    return Failure(400, "unsupported_format", f"`{candidate}` cannot be asked in the {wire} format", should_retry=False)


def _translated_name(snapshot: Snapshot, way: tuple[Candidate, Lane], call: Call) -> str:
    candidate, lane = way
    if lane is Lane.RAW:
        return candidate.model
    upstream = snapshot.plan.upstreams.get(candidate.upstream)
    wire = (upstream.translation_wire() if upstream is not None else None) or call.wire
    return deployment_name(candidate, wire)


def _describe(exchange: Exchange, candidate: Candidate, lane: Lane, count: int) -> None:
    exchange.extra_headers = [
        ("x-router-account", filters.shown(candidate.upstream)),
        ("x-router-model", filters.shown(candidate.model)),
        ("x-router-lane", lane.value),
        ("x-router-attempts", str(count)),
    ]


def _in_force(state: GatewayState) -> Snapshot:
    if state.snapshot is None:
        raise RuntimeError("a request was let in before the gateway was configured")
    return state.snapshot
