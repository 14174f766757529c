"""The upstream itself, as a function: one request in, one answer ready to be sent out. No socket, no clock."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_router.routing.plan import Wire
from llm_router.sandbox import administration, chat, embeddings, failures, faults, messages, responses, script
from llm_router.sandbox.conversation import Ask, mapping
from llm_router.sandbox.delivery import TEXT, Delivery, plain, stream, struck
from llm_router.sandbox.frames import CREATED, encoded
from llm_router.sandbox.recorder import MOST_REQUESTS, Record, Recorder

MODEL = "echo-1"
MODELS = (MODEL, "embed-1")
_ONLY = "/only/"


@dataclass(frozen=True, slots=True)
class Talk:
    """How one wire is read and answered."""

    read: Callable[[dict[str, Any], str], Ask]
    whole: Callable[[Ask, script.Reply], dict[str, Any]]
    events: Callable[[Ask, script.Reply], list[bytes]]


_TALKS = {
    "/chat/completions": Talk(chat.read, chat.whole, chat.events),
    "/responses": Talk(responses.read, responses.whole, responses.events),
    "/messages": Talk(messages.read, messages.whole, messages.events),
}
_WIRES = {
    "/chat/completions": Wire.CHAT,
    "/responses": Wire.RESPONSES,
    "/messages": Wire.MESSAGES,
    "/messages/count_tokens": Wire.MESSAGES,
    "/embeddings": Wire.EMBEDDINGS,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """Answers requests; remembers what it was asked and which faults are switched on."""

    def __init__(self, *, wires: frozenset[Wire] = frozenset(Wire), seed: int = 0, keep: int = MOST_REQUESTS) -> None:
        """`wires`: which of them it serves, the others are 404; `seed`: another one gives other ids.

        `keep`: how many requests it remembers.
        """
        self.wires = wires
        self.seed = str(seed).encode()
        self.switchboard = faults.Switchboard()
        self.recorder = Recorder(keep)

    def administer(self, request: Request) -> Delivery | None:
        """The answer of the sandbox's own routes and of its readiness: not recorded, not struck by faults."""
        if request.path == "/healthz":
            return plain(200, b'{"status":"ok"}')
        return administration.respond(request.method, request.path, request.query, request.body, self)

    def respond(self, request: Request, record: Record) -> Delivery:
        """The answer to `request`; what was found out about it is written into `record`."""
        wires, path = self._target(request.path)
        wire = _wire(path, request.headers)
        digest = hashlib.sha256(self.seed + request.body).hexdigest()[:24]
        if request.method in {"GET", "HEAD"}:
            return _looked_up(path, wire, request.headers, digest)
        if path not in _WIRES or wire not in wires:
            return refusal(wire, 404, digest, f"There is no {request.method} {request.path} here")
        if request.method != "POST":
            return refusal(wire, 405, digest, f"{request.path} wants POST")
        record.wire = wire.value
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            return refusal(wire, 400, digest, "The body is not JSON")
        if not isinstance(body, dict):
            return refusal(wire, 400, digest, "The body is not a JSON object")
        return self._asked(path, wire, body, request, record)

    def _asked(self, path: str, wire: Wire, body: dict[str, Any], request: Request, record: Record) -> Delivery:
        body["model"] = record.model = str(body.get("model") or MODEL)
        digest = hashlib.sha256(self.seed + request.body).hexdigest()[:24]
        ask = _TALKS.get(path, _TALKS["/messages"]).read(body, digest)
        record.streamed = ask.stream
        try:
            fault = self._fault(ask, wire, request.headers, record)
        except faults.FaultSpecError as error:
            return refusal(wire, 400, digest, f"{error.message}. The faults are:\n{faults.explain()}")
        if fault is not None and fault.status is not None:
            return struck(refusal(wire, fault.status, digest), fault)
        answer = _answer(path, ask, body, record)
        return answer if fault is None else struck(answer, fault)

    def _fault(self, ask: Ask, wire: Wire, headers: Mapping[str, str], record: Record) -> faults.Fault | None:
        spec = headers.get(faults.HEADER) or ask.fault()
        if spec:
            record.fault = spec
            return faults.parse(spec)
        rule = self.switchboard.strike(model=ask.model, wire=wire.value)
        if rule is None:
            return None
        record.fault = rule.spec
        return rule.fault

    def _target(self, path: str) -> tuple[frozenset[Wire], str]:
        """Which wires are served at `path`, and the path without its prefixes."""
        wires = self.wires
        if path.startswith(_ONLY):
            name, _, rest = path.removeprefix(_ONLY).partition("/")
            wires = wires & frozenset(wire for wire in Wire if wire.value == name)
            path = f"/{rest}"
        path = path.rstrip("/") or "/"
        return wires, path.removeprefix("/v1") if path.startswith("/v1/") else path


def refusal(wire: Wire, status: int, digest: str, message: str = "") -> Delivery:
    """An error answer in the shape of `wire`."""
    return plain(status, _json(failures.body(wire, status, digest, message)))


def _answer(path: str, ask: Ask, body: dict[str, Any], record: Record) -> Delivery:
    if path == "/embeddings":
        return plain(200, _json(embeddings.whole(body)))
    if path == "/messages/count_tokens":
        return plain(200, _json(messages.count(ask)))
    talk, reply = _TALKS[path], script.answer(ask)
    record.input_tokens, record.output_tokens = reply.input_tokens, reply.output_tokens
    return stream(talk.events(ask, reply)) if ask.stream else plain(200, _json(talk.whole(ask, reply)))


def _looked_up(path: str, wire: Wire, headers: Mapping[str, str], digest: str) -> Delivery:
    if path == "/":
        return plain(200, administration.start_page().encode(), TEXT)
    kind, _, name = path.removeprefix("/").partition("/")
    show = _anthropic_model if "anthropic-version" in headers else _openai_model
    if kind == "models" and not name:
        models = [show(one) for one in MODELS]
        if show is _openai_model:
            return plain(200, _json({"object": "list", "data": models}))
        ends = {"first_id": MODELS[0], "last_id": MODELS[-1], "has_more": False}
        return plain(200, _json({"data": models, **ends}))
    if kind == "models" and name in MODELS:
        return plain(200, _json(show(name)))
    return refusal(wire, 404, digest, f"There is no GET {path} here")


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "sandbox"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": f"Sandbox {name}", "created_at": "2026-01-01T00:00:00Z"}


def _wire(path: str, headers: Mapping[str, str]) -> Wire:
    """The wire whose error shape a client at `path` expects."""
    if (wire := _WIRES.get(path)) is not None:
        return wire
    if path.startswith("/messages") or "anthropic-version" in headers:
        return Wire.MESSAGES
    return Wire.RESPONSES if path.startswith("/responses") else Wire.CHAT


def _json(value: object) -> bytes:
    return encoded(mapping(value))
