"""A simulated identity provider on a loopback port: OpenAI's three ways to sign in, GitHub's and Copilot's.

`IdentityProvider()` for tests in this process; `python -m llm_router.testing.identity_provider [PORT]` by hand.
It is strict where the real ones are: codes and rotating refresh tokens are good once, PKCE is checked, and who spends a
refresh token twice loses the whole family. Everything that can go wrong is asked for by path: `provider.faults`.
"""

import json
import socket
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from llm_router.testing.identity_github import GitHubPart
from llm_router.testing.identity_openai import OpenAiPart
from llm_router.testing.identity_state import Answer, Behaviour, Call, Issued

LONGEST_PAUSE = 60.0  # seconds


@dataclass(slots=True)
class IdentityProvider:
    """The provider, running in threads of this process between `with` and its end.

    `faults[path]` is a list of what happens to the next calls of a path, one each:
    `drop` (closed unread), `lost` (done, but no answer), `500`, `garbage`, `empty`, `redirect`,
    `pause` (until `go_on`).
    """

    behaviour: Behaviour = field(default_factory=Behaviour)
    port: int = 0
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    calls: list[Call] = field(default_factory=list)
    issued: Issued = field(default_factory=Issued)
    go_on: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The origin that stands in the vendors' place."""
        return f"http://127.0.0.1:{self.port}"

    def environ(self) -> dict[str, str]:
        """The variables that aim the router at this provider."""
        return {"LLM_ROUTER_IDENTITY_OPENAI": self.url, "LLM_ROUTER_IDENTITY_GITHUB": self.url}

    def count(self, path: str) -> int:
        """How often a path was called."""
        return sum(call.path == path for call in self.calls)

    def __enter__(self) -> "IdentityProvider":
        """Start."""
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.go_on.set()
        self.vanish()

    def listen(self) -> None:
        """Answer on the port; on the same one again after `vanish`."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="identity", daemon=True).start()

    def vanish(self) -> None:
        """Be gone: connections are refused until `listen`."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, call: Call) -> Answer:
        """The answer of the part that serves a path."""
        parts: tuple[OpenAiPart | GitHubPart, ...] = (
            OpenAiPart(self.url, self.behaviour, self.issued),
            GitHubPart(self.url, self.behaviour, self.issued),
        )
        with self.lock:
            for part in parts:
                if (found := part.answer(call)) is not None:
                    return found
        return Answer(404, {"error": "no_such_path"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, provider: IdentityProvider) -> None:
        """Listen on the provider's port."""
        self.provider = provider
        super().__init__(("127.0.0.1", provider.port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's own
        """Nothing: clients that go away are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server

    def do_GET(self) -> None:
        """A GET."""
        self._play()

    def do_POST(self) -> None:
        """A POST."""
        self._play()

    def _play(self) -> None:
        provider = self.server.provider
        call = self._call()
        provider.calls.append(call)
        waiting = provider.faults[call.path]
        fault = waiting.pop(0) if waiting else ""
        if fault == "pause":
            provider.go_on.wait(LONGEST_PAUSE)
        if fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        answer = _spoiled(fault, provider.url) or provider.answer(call)
        if fault == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(answer)

    def _call(self) -> Call:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        kind = self.headers.get("content-type", "")
        held = json.loads(body) if "json" in kind and body else dict(parse_qsl(body.decode()))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Call(self.command, parts.path, dict(parse_qsl(parts.query)), headers, held)

    def _send(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing."""


def _spoiled(fault: str, url: str) -> Answer | None:
    match fault:
        case "500":
            return Answer(500, {"error": "server_error"})
        case "garbage":
            return Answer(200, b"\xff<html>captive portal</html>")
        case "empty":
            return Answer(200, {})
        case "redirect":
            return Answer(307, {}, {"location": f"{url}/elsewhere"})
    return None


def main(arguments: list[str]) -> None:
    """Run until Ctrl-C."""
    with IdentityProvider(port=int(arguments[0]) if arguments else 0) as provider:
        sys.stdout.writelines(f"export {name}={value}\n" for name, value in provider.environ().items())
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
