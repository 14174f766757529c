"""One call to one upstream: opened, proved to be an answer, and read whole when it is not a stream."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from llm_router.gateway import headers as filters
from llm_router.gateway.state import Snapshot, Translator
from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamFailure, UpstreamReply, UpstreamRequest
from llm_router.providers.endpoints import ANTHROPIC_VERSION, Operation, client_path, key_headers, upstream_url
from llm_router.routing.plan import UNIT_URL, Upstream, Wire

LARGEST_WHOLE_ANSWER = 8 * 1024 * 1024
LARGEST_ERROR_ANSWER = 1024 * 1024


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


@dataclass(slots=True)
class Opened:
    """An answer that has proved itself: `head` is all of it when `whole`, else what came first."""

    reply: UpstreamReply
    head: bytes
    whole: bool

    def redacted(self, secret: str) -> "Opened":
        """This answer without `secret` in it: an upstream may echo the key it refused."""
        shown = secret.encode()
        if len(shown) < 4:
            return self
        self.reply.headers = [(name, value.replace(secret, "***")) for name, value in self.reply.headers]
        return replace(self, head=self.head.replace(shown, b"***"))


class NotUsable(Exception):
    """A candidate that cannot be called now; the text says why and is for people."""


async def open_direct(client: UpstreamClient, snapshot: Snapshot, upstream: Upstream, call: Call) -> Opened:
    """Call an upstream in its own wire, with its own key. Raises NotUsable and UpstreamFailure."""
    base_url = snapshot.base_url(upstream)
    if base_url is None:
        raise NotUsable(f"the {upstream.kind} behind `{upstream.name}` does not run")
    secret = snapshot.credentials.get(upstream.name)
    if upstream.key and secret is None:
        raise NotUsable(f"the key of `{upstream.name}` cannot be read")
    headers = filters.for_upstream(call.headers)
    if secret is not None:
        headers += key_headers(upstream.kind, secret.reveal())
    if call.wire is Wire.MESSAGES and "anthropic-version" not in call.headers:
        headers.append(("anthropic-version", ANTHROPIC_VERSION))
    named = {name.lower() for name in upstream.headers}
    headers = [pair for pair in headers if pair[0] not in named] + list(upstream.headers.items())
    request = UpstreamRequest(
        method="POST",
        url=_with_query(upstream_url(upstream.kind, base_url, call.wire, call.operation), call.query),
        headers=headers,
        body=call.body,
        is_local=upstream.base_url.startswith(UNIT_URL),
    )
    opened = await _open(client, request, snapshot)
    return opened.redacted(secret.reveal()) if secret is not None and opened.reply.status >= 400 else opened


async def open_translated(client: UpstreamClient, translator: Translator, call: Call) -> Opened:
    """Call LiteLLM in the client's wire. Raises UpstreamFailure."""
    headers = [
        *filters.for_upstream(call.headers),
        ("authorization", f"Bearer {translator.api_key.reveal()}"),
        (filters.TRACE_HEADER, call.request_id),
    ]
    request = UpstreamRequest(
        method="POST",
        url=_with_query(translator.base_url + client_path(call.wire, call.operation), call.query),
        headers=headers,
        body=call.body,
        is_local=True,
    )
    opened = await _open(client, request, translator.snapshot)
    return opened.redacted(translator.api_key.reveal()) if opened.reply.status >= 400 else opened


async def _open(client: UpstreamClient, request: UpstreamRequest, snapshot: Snapshot) -> Opened:
    timeouts = snapshot.plan.gateway.timeouts
    reply = await client.send(request, timeouts)
    try:
        if 300 <= reply.status < 400:
            raise UpstreamFailure(Reason.PROTOCOL, "the upstream answered with a redirect, which is never followed")
        if reply.status >= 600:
            raise UpstreamFailure(Reason.PROTOCOL, "the upstream answered with a status that HTTP does not have")
        return await _read_proof(reply)
    except BaseException:
        reply.close()
        raise


async def _read_proof(reply: UpstreamReply) -> Opened:
    """Read a stream's first bytes, or the whole of any other answer up to 8 MiB."""
    head = await reply.read(first=True)
    is_error = reply.status >= 400
    if reply.is_stream and not is_error:
        if not head:
            raise UpstreamFailure(Reason.BROKEN, "the upstream's stream ended before it began")
        return Opened(reply, head, whole=False)
    parts, size = [head], len(head)
    most = LARGEST_ERROR_ANSWER if is_error else LARGEST_WHOLE_ANSWER
    while parts[-1] and size <= most:
        parts.append(await reply.read())
        size += len(parts[-1])
    whole = b"".join(parts)
    if not whole and not is_error:
        raise UpstreamFailure(Reason.BROKEN, "the upstream's answer is empty")
    if is_error:
        return Opened(reply, whole[:most], whole=True)
    return Opened(reply, whole, whole=not parts[-1])


def _with_query(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url
