"""What a client can do wrong, and what each is told in its own format; and the small paths."""

import socket
import time

import pytest
from support.rawhttp import Headers, Message, answer, ask, line_to, request, scripted_upstream
from support.stage import CLIENT_KEY, GENERATING, PATHS, Stage, body_for, upstream

from llm_router.routing.plan import Wire

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
OPENAI_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}
ANTHROPIC_TYPES = {**OPENAI_TYPES, 404: "not_found_error", 413: "request_too_large"}
LIMIT = 100_000


def is_error(got: Message, wire: Wire, status: int, code: str) -> None:
    """Assert the whole shape of an error in a wire's format."""
    assert got.status == status
    assert got.header("content-type") == "application/json"
    request_id = got.header("x-request-id")
    held = got.json()
    message = held["error"].pop("message")
    assert message
    if wire is Wire.MESSAGES:
        kind = ANTHROPIC_TYPES.get(status, "api_error")
        assert held == {"type": "error", "error": {"type": kind}, "request_id": request_id}
    else:
        kind = OPENAI_TYPES.get(status, "invalid_request_error")
        param = "model" if status == 404 else None
        assert held == {"error": {"type": kind, "param": param, "code": code}}


@pytest.fixture
def listed(stage: Stage) -> Stage:
    """A gateway that knows some models; nobody listens behind them."""
    url = "http://127.0.0.1:9"
    stage.configure(
        {"up": upstream("up", url), "locked": upstream("locked", url, key="env:NOT_SET")},
        {"router-default": ("up/a",), "router-cheap": ("up/b",), "claude-*": ("up/*",), "lost": ("locked/x",)},
        max_body_bytes=LIMIT,
        allowed_origins=("http://localhost:3000",),
    )
    return stage


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize(
    "headers",
    [[], [("authorization", "Bearer wrong")], [("x-api-key", "wrong")], [("authorization", CLIENT_KEY)]],
    ids=["none", "bearer", "x-api-key", "no-scheme"],
)
async def test_a_missing_or_wrong_key(listed: Stage, wire: Wire, headers: Headers):
    """401 in the client's format, and the SDK is told that trying again will not help."""
    got = await ask(listed.port, "POST", PATHS[wire], body_for(), headers)

    is_error(got, wire, 401, "invalid_api_key")
    assert got.header("x-should-retry") == "false"


@pytest.mark.parametrize("headers", [[KEY], [("x-api-key", CLIENT_KEY)]])
async def test_a_right_key(listed: Stage, headers: Headers):
    """Both ways of showing it."""
    assert (await ask(listed.port, "GET", "/v1/models", headers=headers)).status == 200


async def test_a_wrong_key_with_a_large_body(listed: Stage):
    """The client gets to read why, though its body is not wanted."""
    got = await ask(listed.port, "POST", PATHS[Wire.CHAT], body_for(x="y" * 5_000_000), [("x-api-key", "wrong")])

    is_error(got, Wire.CHAT, 401, "invalid_api_key")
    assert got.header("connection") == "close"


@pytest.mark.parametrize("wire", list(Wire))
async def test_an_unknown_model(listed: Stage, wire: Wire):
    """404 that names the near ones, nearest first."""
    got = await listed.ask(wire, body_for("router-defalt"))

    message = got.json()["error"]["message"]
    assert message.startswith("There is no model `router-defalt`; nearest: `router-default`, `router-cheap`, ")
    is_error(got, wire, 404, "model_not_found")


async def test_a_very_long_unknown_model(listed: Stage):
    """Looking for near names costs nothing that others would notice."""
    before = time.monotonic()
    got = await listed.ask(body=body_for("z" * 90_000))

    assert (got.status, len(got.body) < 1000) == (404, True)
    assert time.monotonic() - before < 1


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"model":1}',
        b"\xff",
        '{"model":"router-default"}'.encode("utf-16"),
        b'{"model":"router-default","x":' + b"[" * 40_000 + b"]" * 40_000 + b"}",
    ],
    ids=["cut", "list", "no-model", "number", "bytes", "utf-16", "deep"],
)
async def test_a_body_that_cannot_be_read(listed: Stage, wire: Wire, body: bytes):
    """400 in the client's format."""
    is_error(await listed.ask(wire, body), wire, 400, "invalid_request_error")


async def test_no_body(listed: Stage):
    """A request without a body is answered too."""
    is_error(await listed.ask(body=b""), Wire.CHAT, 400, "invalid_request_error")


@pytest.mark.parametrize("wire", list(Wire))
async def test_a_body_over_the_limit(listed: Stage, wire: Wire):
    """413 before the body is read: here it is only announced, and never sent."""
    async with line_to(listed.port) as line:
        await line.write(request("POST", PATHS[wire], b"", [KEY, ("content-length", str(LIMIT + 1))]))
        got = await line.message()

    is_error(got, wire, 413, "request_too_large")
    assert got.header("connection") == "close"


async def test_a_body_over_the_limit_that_is_sent_all_the_same(listed: Stage):
    """A client that sends all of it before it reads gets to read the answer."""
    is_error(await listed.ask(body=body_for(x="y" * 5_000_000)), Wire.CHAT, 413, "request_too_large")


async def test_a_chunked_body_over_the_limit(listed: Stage):
    """A body of unknown length is refused as soon as it is too long."""
    async with line_to(listed.port) as line:
        await line.write(request("POST", PATHS[Wire.CHAT], b"", [KEY, ("transfer-encoding", "chunked")]))
        await line.write(b"%x\r\n%b\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1)))
        is_error(await line.message(), Wire.CHAT, 413, "request_too_large")


async def test_a_body_over_the_limit_that_was_asked_for_first(listed: Stage):
    """A client that asks before it sends is told no instead of `100 Continue`."""
    async with line_to(listed.port) as line:
        headers = [KEY, ("expect", "100-continue"), ("content-length", str(LIMIT + 1))]
        await line.write(request("POST", PATHS[Wire.CHAT], b"", headers))
        is_error(await line.message(), Wire.CHAT, 413, "request_too_large")
        assert await line.end() == b""


async def test_a_body_of_exactly_the_limit(stage: Stage):
    """The limit itself is allowed."""
    body = body_for(x="y" * 1000)
    async with scripted_upstream(answer(200, b"{}")) as up:
        stage.direct(up.port, max_body_bytes=len(body))
        assert (await stage.ask(body=body)).status == 200
        assert (await stage.ask(body=body + b" ")).status == 413


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: -1\r\n",
        b"content-length: 99999999999999999999999\r\n",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"bad header\r\n",
    ],
)
async def test_a_head_that_lies(listed: Stage, head: bytes):
    """What could be read in two ways is not read at all."""
    async with line_to(listed.port) as line:
        await line.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + head + b"\r\nxxxxx")
        assert (await line.message()).status == 400


async def test_a_client_that_stops_in_its_body(listed: Stage):
    """A body that never ends leaves nothing behind when its client goes."""
    async with line_to(listed.port) as line:
        await line.write(request("POST", PATHS[Wire.CHAT], b"", [KEY, ("content-length", "1000")]) + b"{")
    await listed.becomes_idle()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8317", "localhost.evil.example", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/v1/messages"])
async def test_a_foreign_host(listed: Stage, host: str, path: str):
    """DNS rebinding is refused on every path, with the right key too."""
    got = await ask(listed.port, "GET", path, headers=[KEY, ("host", host)])

    is_error(got, Wire.MESSAGES if path.endswith("messages") else Wire.CHAT, 403, "host_not_allowed")


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:3000", 200), ("http://evil.example", 403), ("null", 403)]
)
async def test_a_browser_page(listed: Stage, origin: str, status: int):
    """Only pages that are allowed come in."""
    assert (await ask(listed.port, "GET", "/v1/models", headers=[KEY, ("origin", origin)])).status == status


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1", "127.0.0.1:8317", "[::1]:8317"])
async def test_our_own_hosts(listed: Stage, host: str):
    """Loopback in every form."""
    assert (await ask(listed.port, "GET", "/healthz", headers=[("host", host)])).status == 200


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_a_wrong_method(listed: Stage, wire: Wire, method: str):
    """405 that says what the path takes."""
    got = await listed.ask(path=PATHS[wire], method=method, body=b"")

    is_error(got, wire, 405, "method_not_allowed")
    assert got.header("allow") == "POST"


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/chat/completions/", "/v1//models", "/../etc/passwd", "/%00", "/é"]
)
async def test_a_path_that_is_not_there(listed: Stage, path: str):
    """404, or 400 for what is no path."""
    got = await listed.ask(path=path.encode().decode("latin-1"), method="GET", body=b"")

    assert got.status in {400, 404}


async def test_open_paths(listed: Stage):
    """They need no key and tell nothing."""
    root, head, health, ready = [
        await ask(listed.port, method, path)
        for method, path in (("GET", "/"), ("HEAD", "/"), ("GET", "/healthz"), ("GET", "/readyz"))
    ]

    assert (root.status, root.json()) == (200, {"service": "llm-router"})
    assert (head.status, head.body, head.header("content-length")) == (200, b"", root.header("content-length"))
    assert (health.status, health.json()) == (200, {"status": "ok"})
    assert (ready.status, ready.json()) == (200, {"status": "ok", "reason": "ready"})


async def test_head_leaves_the_connection_usable(listed: Stage):
    """No body follows an answer to HEAD."""
    async with line_to(listed.port) as line:
        assert (await line.ask("HEAD", "/")).status == 200
        assert (await line.ask("HEAD", "/v1/models")).status == 401
        assert (await line.ask("GET", "/healthz")).status == 200


async def test_not_ready(stage: Stage):
    """With no account that could answer, the gateway lives and is not ready."""
    stage.configure({"locked": upstream("locked", "http://127.0.0.1:9", key="env:NOT_SET")})
    got = await ask(stage.port, "GET", "/readyz")

    assert (got.status, got.json()["status"]) == (503, "unavailable")
    assert (await ask(stage.port, "GET", "/healthz")).status == 200


async def test_models(listed: Stage):
    """The list in the shape of the client that asks, without what cannot be asked now."""
    openai = await listed.ask(path="/v1/models", method="GET", body=b"")
    anthropic = await listed.ask(
        path="/v1/models", method="GET", body=b"", headers=[("anthropic-version", "2023-06-01")]
    )

    assert [row["id"] for row in openai.json()["data"]] == ["router-default", "router-cheap"]
    assert openai.json()["data"][0] == {
        "id": "router-default",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "llm-router",
    }
    assert {key: anthropic.json()[key] for key in ("has_more", "first_id", "last_id")} == {
        "has_more": False,
        "first_id": "router-default",
        "last_id": "router-cheap",
    }
    assert set(anthropic.json()["data"][0]) == {"type", "id", "display_name", "created_at"}


async def test_one_model(listed: Stage):
    """By its name, slashes and all; an unknown one is 404 with near names."""
    got = await listed.ask(path="/v1/models/router-cheap", method="GET", body=b"")
    unknown = await listed.ask(path="/v1/models/router-chep", method="GET", body=b"")

    assert (got.status, got.json()["id"]) == (200, "router-cheap")
    is_error(unknown, Wire.CHAT, 404, "model_not_found")


async def test_embeddings_need_an_account_that_has_them(stage: Stage):
    """There is no translation of embeddings: it is said, not tried."""
    stage.configure({"up": upstream("up", "http://127.0.0.1:9", Wire.CHAT)})
    got = await stage.ask(Wire.EMBEDDINGS)

    is_error(got, Wire.EMBEDDINGS, 400, "unsupported_format")


async def test_bytes_that_are_no_http(listed: Stage):
    """They are refused, and the gateway goes on."""
    async with line_to(listed.port) as line:
        await line.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await line.message()).status == 400
    assert (await ask(listed.port, "GET", "/healthz")).status == 200


@pytest.mark.parametrize("wire", GENERATING)
async def test_a_key_that_is_lost_closes_the_door(stage: Stage, wire: Wire):
    """When no client key can be read nobody comes in, not even with no key."""
    reply = stage.configure({}, client_keys=("env:NOT_SET",))
    got = await ask(stage.port, "POST", PATHS[wire], body_for(), [KEY])

    assert [problem["code"] for problem in reply["problems"]] == ["secret.unavailable"]
    assert got.status == (529 if wire is Wire.MESSAGES else 503)


def test_an_abrupt_client(listed: Stage):
    """A client that connects and resets leaves nothing behind."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", listed.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-le")
    listed.is_idle()
