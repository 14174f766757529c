"""The part that every browser sign-in shares: a loopback port, a page, and the answer that comes back."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from llm_router.accounts.flow import Await, Clock, Flow, Listen, Show, SignInDenied, SignInExpired, SignInFailed
from llm_router.accounts.grants import Proof

PATH = "/auth/callback"
SECONDS_TO_SIGN_IN = 15 * 60.0
DENIED = ("access_denied", "login_required", "consent_required")


def open_port(ports: tuple[int, ...]) -> Flow[int]:
    """A loopback port for the browser's return."""
    port: int = yield Listen(ports, PATH)
    return port


def authorize(page: str, query: Mapping[str, str], proof: Proof, clock: Clock) -> Flow[Mapping[str, str]]:
    """Send the person to `page`; the query of the browser's return, once its state is ours.

    Raises SignInDenied, SignInExpired, SignInFailed.
    """
    asked = {
        "response_type": "code",
        **query,
        "code_challenge": proof.challenge,
        "code_challenge_method": "S256",
        "state": proof.state,
    }
    deadline = clock() + SECONDS_TO_SIGN_IN
    yield Show(f"{page}?{urlencode(asked)}", expires_at=deadline)
    while clock() < deadline:
        answer: Mapping[str, str] = yield Await(deadline)
        if not hmac.compare_digest(answer.get("state", "").encode(), proof.state.encode()):
            continue  # some other page of this machine; the real answer may still come
        if error := answer.get("error", ""):
            if error in DENIED:
                raise SignInDenied("The sign-in was refused in the browser")
            raise SignInFailed("The sign-in page reported a failure")
        if not answer.get("code"):
            raise SignInFailed("The sign-in page sent no code")
        return answer
    raise SignInExpired("Nobody finished the sign-in in the browser in time")
