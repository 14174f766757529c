"""The way of an answer to its client: whole, or as it comes; its row is in the ledger before its last byte leaves."""

from llm_router.gateway import headers as filters
from llm_router.gateway.calls import Opened
from llm_router.gateway.guard import Guard
from llm_router.gateway.hops import Hops
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.run import Run
from llm_router.gateway.upstream import Reason, UpstreamFailure
from llm_router.providers.endpoints import Operation
from llm_router.routing.outcome import Outcome
from llm_router.wire.errors import Failure, error_event
from llm_router.wire.sse import End, EventStream, has_terminal
from llm_router.wire.usage import Usage, UsageReader, settle_body

_BROKEN = "LLM_API_ERROR"
_SAYS_SO = "error_event"  # the stream itself says that it failed


class AnswerCut(Exception):
    """An answer that had begun cannot be completed; only closing the connection tells the client."""


class Delivery:
    """One answer on its way to one client."""

    __slots__ = ("_call", "_exchange", "_guard", "_hops", "_recorder", "_run", "_story")

    def __init__(self, run: Run, recorder: Recorder, hops: Hops, guard: Guard) -> None:
        self._run = run
        self._exchange = run.exchange
        self._call = run.call
        self._story = run.story
        self._recorder = recorder
        self._hops = hops
        self._guard = guard

    def _reported(self) -> Usage | None:
        """What the upstream behind LiteLLM reported in its own wire, if it was asked."""
        return self._hops.of(self._story.request_id).usage

    async def send(self, opened: Opened) -> None:
        """Send an answer on, and close it. Raises AnswerCut."""
        try:
            headers = filters.for_client(opened.reply.headers)
            if opened.whole:
                await self._send_whole(opened, headers)
                return
            await self._exchange.start(opened.status, headers)
            if self._ends_are_known(opened):
                await self._stream_events(opened)
            else:
                await self._stream_bytes(opened)
        finally:
            opened.close()

    async def _send_whole(self, opened: Opened, headers: list[tuple[str, str]]) -> None:
        story = self._story
        story.bytes_out = len(opened.head)
        if opened.status < 400 and self._call.operation is Operation.GENERATE:
            reported = self._reported()
            story.usage = reported or settle_body(self._call.wire, opened.head, story.prompt_tokens)
        headers.append(("content-length", str(len(opened.head))))
        if opened.status < 400:
            self._recorder.conclude(story, opened.status, Outcome.SUCCESS)
            await self._charge()
            await self._recorder.written()
        await self._exchange.whole(opened.status, headers, opened.head)

    async def _charge(self) -> None:
        """Charge what was used before the client has all of it: whoever kills the process later changes no budget."""
        if self._run.admitted is not None:
            await self._guard.finish(self._run.admitted, self._story)

    def _ends_are_known(self, opened: Opened) -> bool:
        """Whether the answer is a stream of events whose format promises an end."""
        is_events = opened.reply.is_stream and not opened.reply.header("content-encoding")
        return is_events and self._call.operation is Operation.GENERATE and has_terminal(self._call.wire)

    async def _stream_events(self, opened: Opened) -> None:
        exchange, story, wire = self._exchange, self._story, self._call.wire
        events, usage = EventStream(wire), UsageReader(wire)
        chunk, broken = opened.head, None
        try:
            while chunk:
                if ready := events.feed(chunk):
                    usage.feed(ready)
                    story.bytes_out += len(ready)
                    if events.end is End.LAST:
                        await self._succeed(usage)
                    await exchange.send(ready)
                chunk = await opened.read()
        except UpstreamFailure as error:
            broken = error
        except BaseException:
            # The client has left: what came out until now was used all the same.
            story.usage = self._reported() or usage.settle(story.prompt_tokens)
            raise
        rest = b"" if broken is not None else events.rest()
        usage.feed(rest)
        story.bytes_out += len(rest)
        if events.end is End.ERROR:
            self._fail(usage, _SAYS_SO)
        elif events.finished:
            await self._succeed(usage)
        else:
            rest = self._break(usage, broken or UpstreamFailure(Reason.BROKEN, "its stream has no end"))
        await self._recorder.written()
        await exchange.finish(rest)

    async def _succeed(self, usage: UsageReader) -> None:
        story = self._story
        if not story.concluded:
            story.usage = self._reported() or usage.settle(story.prompt_tokens)
            self._recorder.conclude(story, 200, Outcome.SUCCESS)
            await self._charge()
            await self._recorder.written()

    def _break(self, usage: UsageReader, error: UpstreamFailure) -> bytes:
        """Write down an answer that broke off; the event that tells the client."""
        self._fail(usage, error.reason.value)
        failure = Failure(502, "stream_disconnected", f"The upstream broke off: {error.detail}")
        return error_event(failure, self._call.wire, self._exchange.request_id)

    def _fail(self, usage: UsageReader, reason: str) -> None:
        story = self._story
        story.broke(reason)
        story.usage = self._reported() or usage.settle(story.prompt_tokens)
        self._recorder.conclude(story, 200, Outcome.OUTAGE, _BROKEN)

    async def _stream_bytes(self, opened: Opened) -> None:
        chunk = opened.head
        try:
            while chunk:
                self._story.bytes_out += len(chunk)
                await self._exchange.send(chunk)
                chunk = await opened.read()
        except UpstreamFailure as error:
            self._story.broke(error.reason.value)
            self._recorder.conclude(self._story, opened.status, Outcome.OUTAGE, _BROKEN)
            await self._recorder.written()
            raise AnswerCut from error
        self._recorder.conclude(self._story, opened.status, Outcome.SUCCESS)
        await self._charge()
        await self._recorder.written()
        await self._exchange.finish()
