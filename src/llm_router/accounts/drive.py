"""Runs a flow with a real client, a real clock and a real port; tells a watcher what happens."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from llm_router.accounts.callback import CallbackPort
from llm_router.accounts.flow import (
    Ask,
    Await,
    Flow,
    Listen,
    NetworkLost,
    Reply,
    Show,
    SignInCancelled,
    SignInExpired,
    SignInFailed,
    Wait,
)
from llm_router.providers.identity import is_private_way

if TYPE_CHECKING:
    import httpx

LARGEST_ANSWER = 1024 * 1024
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 20.0
# A network that is gone for half a minute is common; nobody should have to begin anew for it.
PATIENCE = 90.0  # seconds
_PAUSES = (0.5, 1.0, 2.0, 3.0)  # seconds between attempts while the network is gone


class RedirectRefused(SignInFailed):
    """A server wanted to send a request that carries secrets elsewhere."""

    code = "sign_in.redirect_refused"


class Watcher(Protocol):
    """Who is told what a flow waits for."""

    def show(self, shown: Show) -> None:
        """Tell the person where to go, before anything is polled."""

    def waiting(self, seconds_left: float) -> None:
        """About once a second while the person is waited for."""

    def network_lost(self, reason: str) -> None:
        """A request failed and is sent again."""


class Silent:
    """A watcher that tells nobody: refreshes run with it."""

    def show(self, shown: Show) -> None:
        """Nothing."""

    def waiting(self, seconds_left: float) -> None:
        """Nothing."""

    def network_lost(self, reason: str) -> None:
        """Nothing."""


@dataclass(slots=True)
class Driver:
    """Runs flows, one after another. `cancel` ends a run from another thread."""

    watcher: Watcher = field(default_factory=Silent)
    cancel: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time
    patience: float = PATIENCE

    def run[Result](self, flow: Flow[Result]) -> Result:
        """Run a flow to its end. Raises SignInFailed in all its kinds, and what the flow raises."""
        import httpx

        times = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        with contextlib.ExitStack() as stack, contextlib.closing(flow):
            clients: dict[bool, httpx.Client] = {}

            def client(url: str) -> httpx.Client:
                # A proxy is for what is outside; it could not reach this machine's own loopback.
                outside = not url.startswith("http://")
                if outside not in clients:
                    made = httpx.Client(timeout=times, follow_redirects=False, trust_env=outside)
                    clients[outside] = stack.enter_context(made)
                return clients[outside]

            return self._run(flow, client, stack)

    def _run[Result](
        self, flow: Flow[Result], client: "Callable[[str], httpx.Client]", stack: contextlib.ExitStack
    ) -> Result:
        port: CallbackPort | None = None
        answer: Any = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result
            answer = None
            match step:
                case Ask():
                    answer = self._ask(step, client(step.url))
                case Show():
                    self.watcher.show(step)
                case Wait():
                    self._wait(step)
                case Listen():
                    port = stack.enter_context(CallbackPort(step))
                    answer = port.port
                case Await():
                    answer = self._await(step, port)

    def _ask(self, ask: Ask, client: "httpx.Client") -> Reply:
        import httpx

        if not is_private_way(ask.url):
            raise SignInFailed("A sign-in goes over TLS, or to this machine itself; this address is neither")
        deadline = time.monotonic() + self.patience
        attempt = 0
        while True:
            self._check()
            try:
                return _sent(client, ask)
            except (httpx.TransportError, httpx.InvalidURL, httpx.StreamError) as error:
                sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if (ask.spends and sent) or time.monotonic() > deadline:
                    raise NetworkLost(urlsplit(ask.url).netloc, type(error).__name__, sent=sent) from None
                self.watcher.network_lost(type(error).__name__)
            self._pause(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    def _wait(self, wait: Wait) -> None:
        end = time.monotonic() + wait.seconds
        while (left := end - time.monotonic()) > 0:
            self.watcher.waiting(max(0.0, wait.expires_at - self.clock()))
            self._pause(min(1.0, left))

    def _await(self, step: Await, port: CallbackPort | None) -> dict[str, str]:
        if port is None:
            raise SignInFailed("Nothing listens for the browser")
        while (left := step.expires_at - self.clock()) > 0:
            self.watcher.waiting(left)
            answer = port.wait(min(1.0, left), self.cancel)
            self._check()
            if answer is not None:
                return answer
        raise SignInExpired("Nobody finished the sign-in in the browser in time")

    def _pause(self, seconds: float) -> None:
        self.cancel.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self.cancel.is_set():
            raise SignInCancelled("The sign-in was called off")


def _sent(client: "httpx.Client", ask: Ask) -> Reply:
    with client.stream(
        ask.method,
        ask.url,
        headers=dict(ask.headers),
        data=dict(ask.form) if ask.form is not None else None,
        json=dict(ask.json) if ask.json is not None else None,
    ) as answer:
        if answer.is_redirect or 300 <= answer.status_code < 400:
            raise RedirectRefused(
                f"`{urlsplit(ask.url).netloc}` wants to send the sign-in elsewhere, which is never followed",
                hints=("Look at the network: a captive portal or a proxy may answer in the provider's place",),
            )
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > LARGEST_ANSWER:
                break
        return Reply(answer.status_code, bytes(body[:LARGEST_ANSWER]))
