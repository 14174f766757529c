"""One call to one upstream: opened, proved to be an answer, and read whole when it is not a stream."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_router.gateway import headers as filters
from llm_router.gateway.for_translator import body_for_translator, headers_for_translator, query_for_translator
from llm_router.gateway.state import DirectWay, Snapshot, Translator
from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamFailure, UpstreamReply, UpstreamRequest
from llm_router.providers.endpoints import ANTHROPIC_VERSION, Operation, client_path, key_headers, upstream_url
from llm_router.routing.plan import UNIT_URL, Upstream, Wire
from llm_router.wire.proof import Proof, prove
from llm_router.wire.sse import has_terminal, whole_events

LARGEST_WHOLE_ANSWER = 8 * 1024 * 1024
LARGEST_ERROR_ANSWER = 1024 * 1024
LARGEST_HOLD = 64 * 1024
LONGEST_HOLD = 10.0  # seconds
# Some answer 200 and say in the body that they failed.
_ERROR_BODY = re.compile(rb'\s*\{\s*(?:"type"\s*:\s*"error"\s*,\s*)?"error"\s*:\s*\{')


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class Call:
    """What a client asked for, ready to be sent to any candidate."""

    wire: Wire
    operation: Operation
    headers: Mapping[str, str]
    query: str
    body: bytes
    request_id: str

    def with_body(self, body: bytes) -> "Call":
        """The same call with another body."""
        return Call(self.wire, self.operation, self.headers, self.query, body, self.request_id)


class Opened:
    """An answer that has proved itself: `head` is all of it when `whole`, else what came first.

    `error` is true when a stream begins with an error event instead of output.
    """

    __slots__ = ("_pending", "_release", "_renamed", "error", "head", "reply", "status", "whole")

    def __init__(self, reply: UpstreamReply, head: bytes, *, whole: bool, error: bool = False) -> None:
        self.reply = reply
        self.status = reply.status
        self.head = head
        self.whole = whole
        self.error = error
        self._pending: asyncio.Task[bytes] | None = None
        self._release: Callable[[], None] | None = None
        self._renamed: tuple[bytes, bytes] | None = None

    def waits_for(self, pending: "asyncio.Task[bytes]") -> "Opened":
        """This answer, whose next bytes are being waited for already."""
        self._pending = pending
        return self

    def holding(self, release: Callable[[], None]) -> "Opened":
        """This answer, which calls `release` when it is closed."""
        self._release = release
        return self

    def renaming(self, inner: str, shown: str) -> "Opened":
        """This answer, with the name under which LiteLLM knows the model replaced by the model's own."""
        self._renamed = json.dumps(inner).encode(), json.dumps(shown).encode()
        self.head = self.head.replace(*self._renamed)
        return self

    async def read(self) -> bytes:
        """The bytes after `head`; b"" at the end. Raises UpstreamFailure."""
        pending, self._pending = self._pending, None
        chunk = await (pending if pending is not None else self.reply.read())
        return chunk.replace(*self._renamed) if self._renamed is not None else chunk

    def close(self) -> None:
        """Give the connection up, and what was held for it. Twice is once."""
        if self._release is not None:
            self._release()
            self._release = None
        if self._pending is not None and not self._pending.cancel() and not self._pending.cancelled():
            self._pending.exception()  # looked at: how a stream that nobody reads any more ended is no news
        self.reply.close()

    def redact(self, secret: str) -> None:
        """Take `secret` out of an error answer: an upstream may echo the key it refused."""
        shown = secret.encode()
        if len(shown) < 4:
            return
        self.reply.headers = [(name, value.replace(secret, "***")) for name, value in self.reply.headers]
        self.head = self.head.replace(shown, b"***")


class NotUsable(Exception):
    """A candidate that cannot be called now; the text says why and is for people."""


async def open_direct(client: UpstreamClient, snapshot: Snapshot, upstream: Upstream, call: Call) -> Opened:
    """Call an upstream in its own wire, with its own key. Raises NotUsable and UpstreamFailure."""
    place = upstream.name, call.wire, call.operation
    way = snapshot.ways.get(place)
    if way is None:
        way = snapshot.ways[place] = _direct_way(snapshot, upstream, call)
    headers = filters.for_upstream(call.headers)
    headers += way.headers
    if call.wire is Wire.MESSAGES and "anthropic-version" not in call.headers:
        headers.append(("anthropic-version", ANTHROPIC_VERSION))
    if upstream.headers:
        named = {name.lower() for name in upstream.headers}
        headers = [pair for pair in headers if pair[0] not in named] + list(upstream.headers.items())
    url = _with_query(way.url, call.query) if call.query else way.url
    request = UpstreamRequest("POST", url, headers, call.body, way.is_local)
    secret = snapshot.credentials.get(upstream.name)
    opened = await _open(client, request, snapshot, call)
    if secret is not None and (opened.status >= 400 or opened.error):
        opened.redact(secret.reveal())
    return opened


def _direct_way(snapshot: Snapshot, upstream: Upstream, call: Call) -> DirectWay:
    """Raises NotUsable."""
    base_url = snapshot.base_url(upstream)
    if base_url is None:
        raise NotUsable(f"the {upstream.kind} behind `{upstream.name}` does not run")
    secret = snapshot.credentials.get(upstream.name)
    if upstream.key and secret is None:
        raise NotUsable(f"the key of `{upstream.name}` cannot be read")
    return DirectWay(
        url=upstream_url(upstream.kind, base_url, call.wire, call.operation),
        headers=key_headers(upstream.kind, secret.reveal()) if secret is not None else [],
        is_local=upstream.base_url.startswith(UNIT_URL),
    )


async def open_translated(client: UpstreamClient, translator: Translator, call: Call, trace: str) -> Opened:
    """Call LiteLLM in the client's wire, with a trace that it repeats at the door. Raises UpstreamFailure."""
    headers = [
        *headers_for_translator(call.headers),
        ("authorization", f"Bearer {translator.api_key.reveal()}"),
        (filters.TRACE_HEADER, trace),
    ]
    request = UpstreamRequest(
        method="POST",
        url=_with_query(translator.base_url + client_path(call.wire, call.operation), query_for_translator(call.query)),
        headers=headers,
        body=body_for_translator(call.body)[0],
        is_local=True,
    )
    opened = await _open(client, request, translator.snapshot, call)
    if opened.status >= 400 or opened.error:
        opened.redact(translator.api_key.reveal())
    return opened


async def _open(client: UpstreamClient, request: UpstreamRequest, snapshot: Snapshot, call: Call) -> Opened:
    reply = await client.send(request, snapshot.plan.gateway.timeouts)
    try:
        if 300 <= reply.status < 400:
            raise UpstreamFailure(Reason.PROTOCOL, "the upstream answered with a redirect, which is never followed")
        if reply.status >= 600:
            raise UpstreamFailure(Reason.PROTOCOL, "the upstream answered with a status that HTTP does not have")
        head = await reply.read(first=True)
        if reply.is_stream and reply.status < 400:
            return await _hold_start(reply, head, call)
        return await _read_whole(reply, head)
    except BaseException:
        reply.close()
        raise


async def _read_whole(reply: UpstreamReply, head: bytes) -> Opened:
    """An answer that is no stream, up to 8 MiB; of an error as much as is worth reading."""
    is_error = reply.status >= 400
    parts, size = [head], len(head)
    most = LARGEST_ERROR_ANSWER if is_error else LARGEST_WHOLE_ANSWER
    while parts[-1] and size <= most:
        parts.append(b"" if reply.has_ended else await reply.read())
        size += len(parts[-1])
    whole = b"".join(parts)
    if is_error:
        return Opened(reply, whole[:most], whole=True)
    if not whole:
        raise UpstreamFailure(Reason.BROKEN, "the upstream's answer is empty")
    if reply.header("content-type").lower().startswith("text/html"):
        raise UpstreamFailure(Reason.PROTOCOL, "a web page stands where the upstream's answer should be")
    return Opened(reply, whole, whole=not parts[-1], error=_ERROR_BODY.match(whole) is not None)


async def _hold_start(reply: UpstreamReply, head: bytes, call: Call) -> Opened:
    """Hold the start of a stream until it proves itself, within 64 KiB and 10 seconds."""
    if not head:
        raise UpstreamFailure(Reason.BROKEN, "the upstream's stream ended before it began")
    if call.operation is not Operation.GENERATE or not has_terminal(call.wire) or reply.header("content-encoding"):
        return Opened(reply, head, whole=False)
    clock = asyncio.get_running_loop().time
    deadline = clock() + LONGEST_HOLD
    while len(head) < LARGEST_HOLD:
        proof = prove(call.wire, head[: whole_events(head)])
        if proof is not Proof.PENDING:
            return Opened(reply, head, whole=False, error=proof is Proof.ERROR)
        pending = asyncio.ensure_future(reply.read())
        try:
            done, _ = await asyncio.wait({pending}, timeout=max(0.0, deadline - clock()))
        except BaseException:
            pending.cancel()
            raise
        if not done:
            return Opened(reply, head, whole=False).waits_for(pending)
        if not (more := await pending):
            return _ended(reply, head, call)
        head += more
    return Opened(reply, head, whole=False)


def _ended(reply: UpstreamReply, head: bytes, call: Call) -> Opened:
    """A stream that is over already; its last event may lack the blank line. Raises UpstreamFailure."""
    proof = prove(call.wire, head)
    if proof is Proof.PENDING:
        raise UpstreamFailure(Reason.BROKEN, "the upstream's stream ended before its first output")
    return Opened(reply, head, whole=False, error=proof is Proof.ERROR)


def _with_query(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url
