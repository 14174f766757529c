"""What `router chat` makes of the gateway's answers."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llm_router.control.conversation import AskFailed, Conversation
from llm_router.secrets.secret import Secret

PIECE = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
REFUSED = b'{"error": {"message": "no", "code": "%s"}}'


@contextmanager
def gateway(status: int, body: bytes, headers: dict[str, str]) -> Iterator[str]:
    """A server that gives one answer to whatever it is asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request, name="gateway")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        thread.join()


def ask(status: int, body: bytes, **headers: str) -> tuple[str, int]:
    """The text of one answer and how many upstreams were asked for it. Raises AskFailed."""
    named = {f"x-router-{name}": value for name, value in headers.items()}
    with gateway(status, body, named) as url:
        conversation = Conversation(url, Secret("k"), "m")
        try:
            with conversation.ask("hello") as (answer, pieces):
                return "".join(pieces), answer.attempts
        finally:
            conversation.close()


def test_an_answer():
    """Its pieces, and how many upstreams were asked."""
    assert ask(200, PIECE + PIECE + b"data: [DONE]\n\n", attempts="2") == ("hihi", 2)


def test_a_broken_line():
    """A line that is no JSON is the upstream's fault, not a bug of ours."""
    with pytest.raises(AskFailed) as raised:
        ask(200, PIECE + b'data: {"choices": [\n\n')

    assert raised.value.message == "The answer broke off: the upstream sent a line that is not JSON"


@pytest.mark.parametrize(
    ("status", "code", "account", "message", "hint"),
    [
        (404, "model_not_found", "", "no", "Run `router models`"),
        (500, "internal_error", "", "no", "Run `router health`"),
        (429, "rate_limit_exceeded", "acme", "`acme` answered 429: no", "Run `router models`"),
        (
            401,
            "invalid_api_key",
            "",
            "no",
            "Run `router profile set PROFILE`, which makes a gateway that runs read its keys",
        ),
        (
            502,
            "upstream_auth_failed",
            "acme",
            "`acme` answered 502: no",
            "Store the right key with `router secret set acme`",
        ),
        (
            503,
            "provider_unavailable",
            "acme",
            "`acme` answered 503: no",
            "Look at its address: `router config explain providers.acme`",
        ),
        (504, "timeout", "acme", "`acme` answered 504: no", "Give it longer: `router config explain gateway.timeouts`"),
    ],
)
def test_refusals(status: int, code: str, account: str, message: str, hint: str):
    """Who refused, and what to run next."""
    with pytest.raises(AskFailed) as raised:
        ask(status, REFUSED % code.encode(), **({"account": account} if account else {}))

    assert (raised.value.message, raised.value.hints[0].startswith(hint)) == (message, True)
