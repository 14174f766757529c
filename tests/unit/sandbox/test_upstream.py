"""The upstream as a function: paths, wires, errors, faults, models."""

import json

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox.delivery import Delivery
from llm_router.sandbox.recorder import Record
from llm_router.sandbox.upstream import Request, Upstream

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
RESPONSES = {"input": "hi"}
PATHS = {
    "chat/completions": (CHAT, "chat"),
    "responses": (RESPONSES, "responses"),
    "messages": (CHAT, "messages"),
    "messages/count_tokens": (CHAT, "messages"),
    "embeddings": ({"input": "hi"}, "embeddings"),
}


def call(upstream: Upstream, path: str, body=None, *, method: str = "", **headers: str) -> tuple[Delivery, Record]:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(method or ("POST" if body is not None else "GET"), path, "", names, raw)
    scope = {"method": request.method, "path": path, "headers": []}
    record = upstream.recorder.add(at=0.0, scope=scope, body=raw)
    return upstream.respond(request, record), record


def body_of(answer: Delivery):
    return json.loads(b"".join(answer.chunks))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prefix", ["/v1/", "/", "/only/{wire}/v1/", "/only/{wire}/"])
def test_every_wire_at_every_prefix(path: str, prefix: str):
    """With and without `/v1`, and restricted to the wire itself."""
    body, wire = PATHS[path]
    answer, record = call(Upstream(), prefix.format(wire=wire) + path, {"model": "m", **body})

    assert (answer.status, record.wire, record.model, record.streamed) == (200, wire, "m", False)


@pytest.mark.parametrize("only", ["chat", "responses", "messages", "nothing"])
def test_a_restricted_upstream(only: str):
    """Other wires are 404, each in its own shape; a prefix cannot widen what the process serves."""
    restricted = Upstream(wires=frozenset(wire for wire in Wire if wire.value == only))
    for path, (body, wire) in PATHS.items():
        expected = 200 if wire == only else 404
        assert call(restricted, f"/v1/{path}", body)[0].status == expected
        assert call(Upstream(), f"/only/{only}/v1/{path}", body)[0].status == expected
        assert call(restricted, f"/only/{wire}/v1/{path}", body)[0].status == expected


@pytest.mark.parametrize(
    ("path", "headers", "is_messages"),
    [
        ("/v1/responses/input_tokens", {}, False),
        ("/v1/nothing", {}, False),
        ("/v1/nothing", {"anthropic_version": "2023-06-01"}, True),
        ("/v1/messages/batches", {}, True),
    ],
)
def test_an_unknown_path(path: str, headers: dict, is_messages: bool):
    """404 in the shape that the client can read."""
    for body in (None, {}):
        answer, _ = call(Upstream(), path, body, **headers)
        found = body_of(answer)
        assert answer.status == 404
        assert (found.get("type") == "error", "param" in found["error"]) == (is_messages, not is_messages)


@pytest.mark.parametrize("raw", [b"", b"no json", b"[1]", b'"text"', b"\xff"])
def test_a_body_that_is_no_object(raw: bytes):
    """400 with the reason."""
    answer, _ = call(Upstream(), "/v1/messages", raw)

    assert (answer.status, body_of(answer)["error"]["type"]) == (400, "invalid_request_error")


def test_a_wrong_method():
    """405 in the wire's shape."""
    answer, _ = call(Upstream(), "/v1/messages", b"", method="DELETE")

    assert (answer.status, body_of(answer)["type"]) == (405, "error")


def test_the_same_answer_every_time():
    """Equal bodies and seeds give equal bytes, another seed other ids."""
    first, again, other = (call(Upstream(seed=seed), "/v1/responses", RESPONSES)[0] for seed in (0, 0, 1))

    assert first == again
    assert body_of(other)["id"] != body_of(first)["id"]


def test_a_missing_model():
    """The sandbox answers as the model that it is."""
    assert body_of(call(Upstream(), "/v1/chat/completions", {})[0])["model"] == "echo-1"


def test_a_stream_is_recorded_as_one():
    """The record says that a stream was asked for."""
    answer, record = call(Upstream(), "/v1/messages", {**CHAT, "stream": True})

    assert (answer.length, record.streamed, answer.chunks[-1]) == (
        None,
        True,
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    )


@pytest.mark.parametrize("wire", ["chat/completions", "responses", "messages"])
def test_a_fault_by_header_and_by_marker(wire: str):
    """Both ways to bring a fault along give the error of the wire, with its headers."""
    body, _ = PATHS[wire]
    marked = json.loads(json.dumps(body).replace("hi", "[[fault: status=529,retry_after=7]] hi"))
    by_header, record = call(Upstream(), f"/v1/{wire}", body, x_sandbox_fault="status=529,retry_after=7")
    by_marker, marked_record = call(Upstream(), f"/v1/{wire}", marked)

    assert record.fault == marked_record.fault == "status=529,retry_after=7"
    assert (by_header.status, by_header.headers) == (by_marker.status, by_marker.headers)
    assert (by_header.status, by_header.headers) == (529, ((b"retry-after", b"7"),))
    error = body_of(by_header)["error"]
    assert (error["type"], error["message"]) == (
        "overloaded_error" if wire == "messages" else "server_error",
        "Overloaded",
    )


def test_a_switched_fault():
    """It strikes what it means and as often as it was told; a fault that a request brings goes first."""
    upstream = Upstream()
    upstream.switchboard.switch({"spec": "status=503", "count": 1, "match": {"model": "m"}})

    statuses = [
        call(upstream, "/v1/responses", {"model": model, **RESPONSES}, **headers)[0].status
        for model, headers in (("x", {}), ("m", {"x_sandbox_fault": "status=401"}), ("m", {}), ("m", {}))
    ]
    assert statuses == [200, 401, 503, 200]


def test_a_wrong_fault_is_explained():
    """400 with the table of faults, so that a rehearsal does not pass by mistake."""
    answer, _ = call(Upstream(), "/v1/responses", RESPONSES, x_sandbox_fault="stauts=1")

    assert answer.status == 400
    assert "status=503" in body_of(answer)["error"]["message"]


def test_models():
    """Both shapes of the list and of one model."""
    openai = body_of(call(Upstream(), "/v1/models")[0])
    anthropic = body_of(call(Upstream(), "/v1/models", anthropic_version="2023-06-01")[0])

    assert (openai["object"], [one["id"] for one in openai["data"]]) == ("list", ["echo-1", "embed-1"])
    assert anthropic == {
        "data": [
            {"type": "model", "id": name, "display_name": f"Sandbox {name}", "created_at": "2026-01-01T00:00:00Z"}
            for name in ("echo-1", "embed-1")
        ],
        "first_id": "echo-1",
        "last_id": "embed-1",
        "has_more": False,
    }
    assert body_of(call(Upstream(), "/v1/models/echo-1")[0]) == openai["data"][0]
    assert call(Upstream(), "/v1/models/gpt")[0].status == 404


def test_the_start_page_explains():
    """A person who opens the address in a browser learns what this is."""
    answer, _ = call(Upstream(), "/")

    assert (answer.status, b"x-sandbox-fault" in answer.chunks[0]) == (200, True)
