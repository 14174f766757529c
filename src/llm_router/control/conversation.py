"""Asking the gateway a question as any client would: streamed, with the route it took and what it used."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from llm_router.errors import RouterError
from llm_router.secrets.secret import Secret
from llm_router.wire.errors import read_error

_DATA = "data: "


class AskFailed(RouterError):
    """The gateway could not be reached, or refused the question."""

    code = "chat.failed"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: str  # system | user | assistant
    text: str


@dataclass(slots=True)
class Answer:
    """An answer as it grows. Times are in seconds from the moment the question was sent."""

    request_id: str
    account: str
    model: str
    lane: str
    first_byte: float
    attempts: int = 1
    text: str = ""
    total: float = 0.0
    tokens: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The body of `router chat --json`."""
        return {
            "request_id": self.request_id,
            "account": self.account,
            "model": self.model,
            "lane": self.lane,
            "attempts": self.attempts,
            "first_byte_ms": round(self.first_byte * 1000, 1),
            "total_ms": round(self.total * 1000, 1),
            "text": self.text,
            "usage": dict(self.tokens),
        }


class Conversation:
    """Turns so far, asked through one door of the gateway in the chat completions format."""

    def __init__(self, url: str, key: Secret, model: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._model = model
        self._clock = clock
        self._turns: list[Turn] = []
        self._client = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {key.reveal()}"}, timeout=600.0, trust_env=False
        )

    def add(self, turn: Turn) -> None:
        """Put a turn before the next question, e.g. a system text."""
        self._turns.append(turn)

    @contextmanager
    def ask(self, question: str) -> Iterator[tuple[Answer, Iterator[str]]]:
        """Ask; gives the answer's head and its pieces, and keeps both turns. Raises AskFailed."""
        turns = [*self._turns, Turn("user", question)]
        body = {
            "model": self._model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
        }
        sent = self._clock()
        try:
            with self._client.stream("POST", "/v1/chat/completions", json=body) as reply:
                _check(reply)
                answer = _head(reply, self._clock() - sent)
                yield answer, self._pieces(reply, answer, sent)
        except httpx.TransportError as error:
            raise AskFailed(
                f"The gateway at {self._url} cannot be reached", hints=["Run `router up`", "Run `router health`"]
            ) from error
        self._turns = [*turns, Turn("assistant", answer.text)]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _pieces(self, reply: httpx.Response, answer: Answer, sent: float) -> Iterator[str]:
        for event in _events(reply.iter_lines()):
            if "error" in event:
                raise AskFailed(f"The answer broke off: {event['error'].get('message', 'no reason given')}")
            answer.tokens = event.get("usage") or answer.tokens
            for choice in event.get("choices", ()):
                if piece := (choice.get("delta") or {}).get("content"):
                    answer.text += piece
                    yield piece
        answer.total = self._clock() - sent


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith(_DATA) and line != f"{_DATA}[DONE]":
            try:
                yield json.loads(line.removeprefix(_DATA))
            except ValueError:
                raise AskFailed("The answer broke off: the upstream sent a line that is not JSON") from None


def _check(reply: httpx.Response) -> None:
    if reply.is_success:
        return
    message, code = read_error(reply.read())
    account = reply.headers.get("x-router-account", "")
    if account and f"`{account}`" not in message and "(LiteLLM)" not in message:
        message = f"`{account}` answered {reply.status_code}: {message or 'no reason given'}"
    translator = "(LiteLLM)" in message
    raise AskFailed(
        message or f"The gateway answered {reply.status_code}",
        hints=["Run `router health litellm`"] if translator else _hints(code, account, message),
    )


def _hints(code: str, account: str, message: str) -> Sequence[str]:
    """What to run after a refusal. The gateway itself is well when it says who refused."""
    if code == "upstream_auth_failed":
        store = f"Store the right key with `router secret set {account or 'NAME'}`"
        return [store, "Then `router profile set PROFILE`, which makes a gateway that runs read its keys again"]
    if code == "invalid_api_key":
        return ["Run `router profile set PROFILE`, which makes a gateway that runs read its keys again"]
    if code == "timeout":
        return ["Give it longer: `router config explain gateway.timeouts` says where"]
    if code == "provider_unavailable" and account:
        if message.startswith("the key of"):
            return ["Run `router health gateway`, which says what is wrong with the key"]
        return [f"Look at its address: `router config explain providers.{account}`"]
    return ["Run `router models`"] if account or code == "model_not_found" else ["Run `router health`"]


def _head(reply: httpx.Response, first_byte: float) -> Answer:
    return Answer(
        request_id=reply.headers.get("x-request-id", ""),
        account=reply.headers.get("x-router-account", ""),
        model=reply.headers.get("x-router-model", ""),
        lane=reply.headers.get("x-router-lane", ""),
        first_byte=first_byte,
        attempts=int(reply.headers.get("x-router-attempts", "1")),
    )
