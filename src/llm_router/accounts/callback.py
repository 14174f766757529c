"""The loopback port on which a browser comes back from a sign-in page."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from llm_router.accounts.flow import Listen, SignInFailed

_PAGE = (
    b"<!doctype html><meta charset=utf-8><title>llm-router</title>"
    b"<p>llm-router has what it needs. You can close this page and go back to the terminal."
)
_LARGEST_QUERY = 8 * 1024
_LOOK = 0.2  # seconds between two looks at whether the sign-in was called off


class CallbackPort:
    """An open port on 127.0.0.1. Close it by leaving its `with` block."""

    def __init__(self, wanted: Listen) -> None:
        """Open the first of the wanted ports that is free. Raises SignInFailed."""
        self.arrived: list[dict[str, str]] = []
        self._server = _first_free(wanted, self.arrived)

    @property
    def port(self) -> int:
        """The port's number."""
        return int(self._server.server_address[1])

    def __enter__(self) -> "CallbackPort":
        """The open port."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._server.server_close()

    def wait(self, seconds: float, cancel: threading.Event) -> dict[str, str] | None:
        """The query of the next return, or None when none came in time or the sign-in was called off."""
        deadline = time.monotonic() + seconds
        self._server.timeout = _LOOK
        while not self.arrived and not cancel.is_set() and time.monotonic() < deadline:
            self._server.handle_request()
        return self.arrived.pop(0) if self.arrived else None


def _first_free(wanted: Listen, arrived: list[dict[str, str]]) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        """Answers one path, and keeps its query."""

        timeout = 2  # seconds: who connects and says nothing does not hold up the browser
        server_version, sys_version = "llm-router", ""

        def do_GET(self) -> None:
            """The browser's return."""
            parts = urlsplit(self.path)
            if parts.path != wanted.path or len(parts.query) > _LARGEST_QUERY:
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in (("content-type", "text/html"), ("cache-control", "no-store"), ("connection", "close")):
                self.send_header(name, value)
            self.send_header("content-length", str(len(_PAGE)))
            self.end_headers()
            self.wfile.write(_PAGE)
            arrived.append(dict(parse_qsl(parts.query)))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Nothing: the request line holds the code."""

    for port in wanted.ports:
        try:
            return HTTPServer(("127.0.0.1", port), Handler)
        except OSError:
            continue
    listed = " and ".join(str(port) for port in wanted.ports)
    raise SignInFailed(
        f"The browser could not come back: port {listed} is taken",
        hints=("End the program that listens there, or sign in without `--browser`",),
    )
