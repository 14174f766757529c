"""The sandbox as a process, over real sockets."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from llm_router.testing.processes import end, free_listener, running_sandbox


def messages(text: str) -> dict:
    return {"messages": [{"role": "user", "content": text}]}


# wire -> path, body for a text, what the last chunk of a stream has in it.
WIRES = {
    "chat": ("/v1/chat/completions", messages, b"data: [DONE]"),
    "responses": ("/v1/responses", lambda text: {"input": text}, b"response.completed"),
    "messages": ("/v1/messages", lambda text: {"max_tokens": 99, **messages(text)}, b"message_stop"),
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {
    "chat": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
    "responses": [{"type": "function", "name": "weather", "parameters": SCHEMA}],
    "messages": [{"name": "weather", "input_schema": SCHEMA}],
}
EVERY_WIRE = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[httpx.Client]:
    """One sandbox for the module."""
    with running_sandbox() as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture(autouse=True)
def clean(sandbox: httpx.Client) -> None:
    """No fault and no request of another test."""
    sandbox.delete("/sandbox/faults")
    sandbox.delete("/sandbox/requests")


def request(wire: str, text: str = "hello there", **more) -> tuple[str, dict]:
    path, body, _ = WIRES[wire]
    return path, {"model": "echo-1", **body(text), **more}


def latest(sandbox: httpx.Client) -> dict:
    return sandbox.get("/sandbox/requests").json()["requests"][0]


def wait_for_outcome(sandbox: httpx.Client, outcome: str) -> dict:
    """The latest record once it has ended like that; fails after five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        record = latest(sandbox)
        if record["outcome"] == outcome:
            return record
    raise AssertionError(f"the request is still {record['outcome']}")


def read_to_the_end(answer: httpx.Response) -> tuple[bytes, bool]:
    """What arrives, and whether the connection broke."""
    chunks: list[bytes] = []
    try:
        chunks += answer.iter_raw()
    except httpx.RemoteProtocolError:
        return b"".join(chunks), True
    return b"".join(chunks), False


@EVERY_WIRE
def test_plain(sandbox: httpx.Client, wire: str):
    """A JSON answer with the length announced."""
    path, body = request(wire)
    answer = sandbox.post(path, json=body)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "you said: hello there" in answer.text
    assert (latest(sandbox)["outcome"], latest(sandbox)["chunks"]) == ("completed", 1)


@EVERY_WIRE
def test_streamed(sandbox: httpx.Client, wire: str):
    """Server-sent events, one chunk of the connection each."""
    path, body = request(wire, stream=True)
    raw = json.dumps(body).encode()
    host, port = sandbox.base_url.host, sandbox.base_url.port
    with socket.create_connection((host, port), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(raw)}\r\n\r\n"
        connection.sendall(head.encode() + raw)
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    head, _, rest = received.partition(b"\r\n\r\n")
    assert b"content-type: text/event-stream; charset=utf-8" in head
    chunks = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    assert chunks.pop() == b""
    assert all(chunk.endswith(b"\n\n") and chunk.count(b"\n\n") == 1 for chunk in chunks)
    assert WIRES[wire][2] in chunks[-1]
    record = latest(sandbox)
    assert (record["outcome"], record["streamed"], record["chunks"]) == ("completed", True, len(chunks))


@EVERY_WIRE
def test_tools(sandbox: httpx.Client, wire: str):
    """A call comes back plain and streamed."""
    path, body = request(wire, 'call weather {"city": "Paris"}', tools=TOOLS[wire])

    plain = sandbox.post(path, json=body).json()
    streamed = sandbox.post(path, json={**body, "stream": True}).text
    found = {
        "chat": lambda: plain["choices"][0]["message"]["tool_calls"][0]["function"],
        "responses": lambda: plain["output"][0],
        "messages": lambda: plain["content"][0],
    }[wire]()
    arguments = found["input"] if wire == "messages" else json.loads(found["arguments"])
    assert (found["name"], arguments) == ("weather", {"city": "Paris"})
    assert '"weather"' in streamed


@EVERY_WIRE
def test_status_and_retry_after(sandbox: httpx.Client, wire: str):
    """An error of the wire with its header."""
    path, body = request(wire)
    answer = sandbox.post(path, json=body, headers={"x-sandbox-fault": "status=503,retry_after=7"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json()["error"]["type"] == ("overloaded_error" if wire == "messages" else "server_error")


@EVERY_WIRE
@pytest.mark.parametrize("kind", ["headers_delay", "first_byte_delay", "token_delay"])
def test_delays(sandbox: httpx.Client, wire: str, kind: str):
    """Each delay lies where it says: before the headers, before the first byte, between chunks."""
    path, body = request(wire, stream=True)
    began = time.monotonic()
    times = {}
    with sandbox.stream("POST", path, json=body, headers={"x-sandbox-fault": f"{kind}=0.1"}) as answer:
        times["headers"] = time.monotonic() - began
        for _ in answer.iter_raw():
            times.setdefault("first", time.monotonic() - began)
        times["last"] = time.monotonic() - began

    waited = {name: took >= 0.1 for name, took in times.items()}
    assert waited == {"headers": kind == "headers_delay", "first": kind != "token_delay", "last": True}


@EVERY_WIRE
def test_cut(sandbox: httpx.Client, wire: str):
    """The connection breaks after so many chunks."""
    path, body = request(wire, stream=True)
    headers = {"x-sandbox-fault": "cut_after=3,token_delay=0.01"}
    with sandbox.stream("POST", path, json=body, headers=headers) as answer:
        received, broken = read_to_the_end(answer)

    assert (answer.status_code, received.count(b"\n\n"), broken) == (200, 3, True)
    assert (latest(sandbox)["outcome"], latest(sandbox)["chunks"]) == ("cut", 3)


@EVERY_WIRE
def test_cut_plain(sandbox: httpx.Client, wire: str):
    """A plain answer breaks off in its middle."""
    path, body = request(wire)
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.post(path, json=body, headers={"x-sandbox-fault": "cut_after=1"})

    assert latest(sandbox)["outcome"] == "cut"


@EVERY_WIRE
def test_malformed(sandbox: httpx.Client, wire: str):
    """One line of a stream is broken, the rest goes on; a plain answer is no JSON."""
    path, body = request(wire)
    headers = {"x-sandbox-fault": "malformed"}
    streamed = sandbox.post(path, json={**body, "stream": True}, headers=headers)
    plain = sandbox.post(path, json=body, headers=headers)

    broken = 0
    for line in streamed.text.splitlines():
        if line.startswith("data: {"):
            try:
                json.loads(line.removeprefix("data: "))
            except ValueError:
                broken += 1
    assert (broken, WIRES[wire][2] in streamed.content) == (1, True)
    with pytest.raises(ValueError):
        plain.json()


@EVERY_WIRE
@pytest.mark.parametrize("stream", [False, True])
def test_empty(sandbox: httpx.Client, wire: str, stream: bool):
    """200 with nothing in it."""
    path, body = request(wire, stream=stream)
    answer = sandbox.post(path, json=body, headers={"x-sandbox-fault": "empty"})

    assert (answer.status_code, answer.content) == (200, b"")


def test_a_switched_fault(sandbox: httpx.Client):
    """It strikes so many requests, then they pass."""
    path, body = request("chat")
    sandbox.put("/sandbox/faults", json={"spec": "status=500", "count": 2, "match": {"model": "echo-1"}})

    assert [sandbox.post(path, json=body).status_code for _ in range(3)] == [500, 500, 200]


@EVERY_WIRE
def test_a_client_that_goes_away(sandbox: httpx.Client, wire: str):
    """The record says that the answer was not wanted any more."""
    path, body = request(wire, "word " * 500, stream=True)
    with sandbox.stream("POST", path, json=body, headers={"x-sandbox-fault": "token_delay=0.02"}) as answer:
        next(answer.iter_raw())

    record = wait_for_outcome(sandbox, "cancelled")
    assert 0 < record["chunks"] < 100


def test_what_arrived(sandbox: httpx.Client):
    """The body is kept as it came, the key as a digest only."""
    raw = b'{ "model" : "echo-1", "input": "h\xc3\xa9", "unknown": [1.0] }'
    sandbox.post("/v1/responses?beta=true", content=raw, headers={"authorization": "Bearer sk-very-secret"})

    listed = sandbox.get("/sandbox/requests", params={"limit": 1})
    record = listed.json()["requests"][0]
    digest = hashlib.sha256(b"sk-very-secret").hexdigest()[:12]
    assert (record["path"], record["query"], record["wire"]) == ("/v1/responses", "beta=true", "responses")
    assert record["body_sha256"] == hashlib.sha256(raw).hexdigest()
    assert ["authorization", f"Bearer sha256:{digest}"] in record["headers"]
    assert sandbox.get(f"/sandbox/requests/{record['number']}").json()["body"].encode() == raw
    assert "sk-very-secret" not in listed.text


def test_head_and_start_page(sandbox: httpx.Client):
    """Claude Code asks `HEAD /` first."""
    assert sandbox.head("/").status_code == 200
    assert "x-sandbox-fault" in sandbox.get("/").text


@pytest.mark.parametrize("only", WIRES)
def test_a_process_of_one_wire(only: str):
    """The other wires are 404 there."""
    with running_sandbox(wires=[only]) as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        statuses = {}
        for wire in WIRES:
            path, body = request(wire)
            statuses[wire] = client.post(path, json=body).status_code

    assert statuses == {wire: 200 if wire == only else 404 for wire in WIRES}


def start(*arguments: str, listener: socket.socket | None = None, **environment: str) -> "subprocess.Popen[bytes]":
    held = {} if listener is None else {"LLM_ROUTER_LISTEN_FDS": f"sandbox={listener.fileno()}"}
    return subprocess.Popen(
        [sys.executable, "-m", "llm_router.sandbox", *arguments],
        env={**os.environ, **held, **environment},
        pass_fds=() if listener is None else [listener.fileno()],
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(("wanted", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_when_it_is_told(wanted: signal.Signals, code: int):
    """A stream in its middle does not hold it up."""
    with free_listener() as listener, start(listener=listener) as child:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        path, body = request("chat", "word " * 100, stream=True)
        headers = {"x-sandbox-fault": "token_delay=0.1"}
        with (
            httpx.Client(base_url=url, trust_env=False, timeout=20) as client,
            client.stream("POST", path, json=body, headers=headers) as answer,
        ):
            next(answer.iter_raw())
            child.send_signal(wanted)
            assert child.wait(10) == code
        assert b"Traceback" not in child.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["--port"], {}, 2, b"usage: python -m llm_router.sandbox"),
        (["--port", "x"], {}, 2, b"error: `--port` wants a number, not `x`"),
        (["--bogus", "1"], {}, 2, b"usage:"),
        (["--host", "0.0.0.0", "--port", "0"], {}, 1, b"error: The sandbox asks for no key"),
        (["--port", "0"], {"LLM_ROUTER_SANDBOX_WIRES": "talk"}, 2, b"names `talk`, which is no wire"),
        ([], {"LLM_ROUTER_LISTEN_FDS": "sandbox=77"}, 2, b"names no open socket"),
    ],
)
def test_a_wrong_start(arguments: list[str], environment: dict[str, str], code: int, said: bytes):
    """One sentence and an exit code."""
    with start(*arguments, **environment) as child:
        assert child.wait(10) == code
        printed = child.stderr.read()
    assert said in printed
    assert b"Traceback" not in printed


def test_by_hand_it_says_where_it_listens():
    """A free port is taken and named."""
    with start("--port", "0") as child:
        try:
            url = child.stderr.readline().decode().split()[-1]
            assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}
        finally:
            assert end(child) == 0


def test_it_starts_light():
    """Nothing heavy is imported before it answers: it starts with the gateway, and a newcomer waits for both."""
    heavy = "{'pydantic', 'typer', 'rich', 'httpx', 'aiohttp', 'yaml', 'starlette'}"
    script = f"import sys, uvicorn, llm_router.sandbox.__main__; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout == "[]\n"
