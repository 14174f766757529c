"""A sign-in as a conversation of values: a flow yields what it wants done and receives what came of it.

A flow is a generator. It holds no client, file, clock or randomness; whoever drives it (`drive.py`, or a test) does:

    Ask      -> Reply        one HTTP request; redirects are not followed
    Show     -> None         tell the person where to go and what to type
    Wait     -> None         let time pass
    Listen   -> int          open a loopback port for the browser's return
    Await    -> Mapping      the query of the browser's return
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from llm_router.errors import RouterError

AGAIN = "Run the same command again"
type Clock = Callable[[], float]  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request. `spends`: it carries what can be used only once, so it is sent again only if it never left."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: Mapping[str, object] | None = field(default=None, repr=False)
    spends: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. The body is never shown: it may hold tokens."""

    status: int
    body: bytes = field(default=b"", repr=False)

    def json(self) -> dict[str, Any]:
        """The JSON object in the body; empty when there is none."""
        try:
            held = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return held if isinstance(held, dict) else {}

    def text(self, name: str) -> str:
        """A text member of the JSON object; empty when it is missing or something else."""
        held = self.json().get(name)
        return held if isinstance(held, str) else ""

    def number(self, name: str) -> float | None:
        """A number, or a text that is one, within what a time in seconds can be."""
        return as_number(self.json().get(name))

    def error(self) -> str:
        """The error code in any of the forms servers use; empty when there is none."""
        held = self.json().get("error")
        code = held.get("code") if isinstance(held, dict) else held
        found = code if isinstance(code, str) else self.text("code")
        return found if len(found) <= 80 and found.replace("_", "").replace("-", "").isalnum() else ""


@dataclass(frozen=True, slots=True)
class Show:
    """What the person has to do: open `url` and, if there is one, type `code`, before `expires_at`."""

    url: str
    code: str = ""
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass; what is shown stays good until `expires_at`."""

    seconds: float
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Listen:
    """Open one of these loopback ports (0: any) for a browser's return to `path`."""

    ports: tuple[int, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for the browser's return, until `expires_at`."""

    expires_at: float


type Step = Ask | Show | Wait | Listen | Await
type Flow[Result] = Generator[Step, Any, Result]


class SignInFailed(RouterError):
    """A sign-in did not succeed; the accounts are as they were."""

    code = "sign_in.failed"
    status: ClassVar[str] = "failed"  # the word after `oauth_status=`

    def __init__(self, message: str, *, hints: tuple[str, ...] = (AGAIN,)) -> None:
        """`message` is one sentence; no answer of a server is repeated in it."""
        super().__init__(message, hints=hints, unharmed="The accounts are as they were")


class SignInDenied(SignInFailed):
    """The person, or the provider for them, said no."""

    code = "sign_in.denied"
    status = "denied"


class SignInExpired(SignInFailed):
    """Nobody confirmed the sign-in in time."""

    code = "sign_in.expired"
    status = "expired"


class SignInUnavailable(SignInFailed):
    """The provider does not offer this way of signing in to this account."""

    code = "sign_in.unavailable"


class SignInCancelled(SignInFailed):
    """The sign-in was called off."""

    code = "sign_in.cancelled"
    status = "cancelled"


class BadAnswer(SignInFailed):
    """A server answered something that cannot be understood."""

    code = "sign_in.bad_answer"

    def __init__(self, what: str, reply: Reply) -> None:
        """`what` was asked for; of the answer only its status and error code are told."""
        code = reply.error()
        super().__init__(f"The answer to {what} cannot be used: status {reply.status}{f', `{code}`' if code else ''}")


class NetworkLost(SignInFailed):
    """The server could not be reached for longer than a sign-in can wait. `sent`: the request may have arrived."""

    code = "sign_in.network"

    def __init__(self, host: str, kind: str, *, sent: bool) -> None:
        """`kind` is the class of the failure."""
        self.sent = sent
        super().__init__(f"`{host}` cannot be reached ({kind})", hints=("Look at the network and the proxy", AGAIN))


def as_number(held: object) -> float | None:
    """A number of seconds that makes sense, or None."""
    try:
        found = float(held) if isinstance(held, int | float | str) and not isinstance(held, bool) else -1.0
    except ValueError:
        return None
    return found if 0 <= found < 1e11 else None
