"""A request as the seam to upstreams puts it on the wire."""

import pytest
from support.scripted import OK, Visit, answers, scripted
from support.upstream_calls import call, failure_of, post

from llm_router.gateway.upstream import Reason, UpstreamClient
from llm_router.routing.plan import Timeouts


async def test_request_on_the_wire(client: UpstreamClient):
    """Path, query and headers go out as given and in order; only Host and Content-Length are added."""
    async with scripted(answers(OK)) as server:
        sent = post(f"{server.url}/v1/chat?b=%2F&a=1", b"hello", (("x-b", "1"), ("x-a", "tätig"), ("x-b", "2")))
        assert await call(client, sent) == (200, b"{}")

    (seen,) = server.requests
    assert (seen.body, seen.lines[0]) == (b"hello", "POST /v1/chat?b=%2F&a=1 HTTP/1.1")
    own = [line for line in seen.lines[1:] if line.lower().startswith("x-")]
    assert [line for line in own if line.startswith("x-b")] == ["x-b: 1", "x-b: 2"]
    others = {line.partition(":")[0].lower() for line in seen.lines[1:]} - {"x-a", "x-b"}
    assert {"host", "content-length"} == others
    assert f"host: 127.0.0.1:{server.port}" in [line.lower() for line in seen.lines]


async def test_headers_are_sent_byte_for_byte(client: UpstreamClient):
    """A value that came as Latin-1 characters leaves as the bytes they stand for."""
    async with scripted(answers(OK)) as server:
        await call(client, post(server.url, b"", (("x-a", "caf\xc3\xa9"),)))

    assert b"x-a: caf\xc3\xa9\r\n" in server.requests[0].head


async def test_own_host_header(client: UpstreamClient):
    """A Host that the caller names is the one that is sent, once."""
    async with scripted(answers(OK)) as server:
        await call(client, post(server.url, b"", (("host", "api.example"),)))

    assert [line.lower() for line in server.requests[0].lines if line.lower()[:5] == "host:"] == ["host: api.example"]


async def test_empty_post_says_so(client: UpstreamClient):
    """A POST without a body has a length of 0."""
    async with scripted(answers(OK)) as server:
        assert await call(client, post(server.url, b"")) == (200, b"{}")

    assert "content-length: 0" in [line.lower() for line in server.requests[0].lines]


@pytest.mark.parametrize(
    "header",
    [
        ("x-a", "1\r\nx-evil: 2"),
        ("x-a", "1\nx-evil: 2"),
        ("x-a", "1\rx"),
        ("x-a", "1\0"),
        ("x-a\r\nx-evil", "2"),
        ("x a", "2"),
        ("", "2"),
        ("x:y", "2"),
        ("x-a", "\u20ac"),
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
    ],
)
async def test_smuggled_header_is_refused(client: UpstreamClient, header: tuple[str, str]):
    """What could end a line early, or lie about the body, is not sent at all."""
    async with scripted(answers(OK)) as server:
        assert await failure_of(client, post(server.url, b"{}", (header,))) == (Reason.PROTOCOL, b"")

    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "http://", "nonsense", "http://127.0.0.1:port/", "http://127.0.0.1/a b", "http://a\n.b/",
     "http://127.0.0.1/?a\r\nx", "http://user:word@127.0.0.1/"],
)  # fmt: skip
async def test_address_that_cannot_be_used(client: UpstreamClient, url: str):
    """An address that is not plain http or https is refused."""
    assert await failure_of(client, post(url)) == (Reason.PROTOCOL, b"")


async def test_large_body(client: UpstreamClient):
    """32 MiB go out whole to an upstream that reads slowly."""
    body = bytes(range(256)) * (32 * 4096)
    async with scripted(answers(OK)) as server:
        assert await call(client, post(server.url, body), Timeouts(first_byte=30)) == (200, b"{}")

    assert body == server.requests[0].body


async def test_answer_before_the_body_was_sent(client: UpstreamClient):
    """A refusal that comes early is the answer, and its connection is not used again."""

    async def refuse(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        if visit.number:
            await visit.say(OK)
        else:
            await visit.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await visit.gone()

    async with scripted(refuse) as server:
        assert await call(client, post(server.url, bytes(64 * 2**20))) == (413, b"no")
        assert await call(client, post(server.url, b"")) == (200, b"{}")

    assert server.connections == 2
