"""Codex with a device code: the person types a short code in a browser on any machine."""

from llm_router.accounts.claims import person_of, read_claims
from llm_router.accounts.flow import (
    Ask,
    BadAnswer,
    Clock,
    Flow,
    Reply,
    Show,
    SignInDenied,
    SignInExpired,
    SignInUnavailable,
    Wait,
)
from llm_router.accounts.grants import Granted, SignedIn, ask_for_tokens, token_request
from llm_router.providers.identity import CODEX, CodexIdentity

SECONDS_TO_SIGN_IN = 15 * 60.0
USUAL_INTERVAL = 5.0  # seconds
SLOWER = 5.0  # seconds more after a server asked for patience
PENDING = (403, 404)


def sign_in(at: CodexIdentity, clock: Clock) -> Flow[SignedIn]:
    """Sign in by device code. Raises SignInUnavailable, SignInDenied, SignInExpired, BadAnswer, GrantRefused."""
    begun: Reply = yield Ask("POST", at.user_code, json={"client_id": at.client_id})
    if begun.status == 404:
        raise SignInUnavailable(
            "Device codes are not switched on for this account",
            hints=(
                "Switch on device code sign-in in ChatGPT's security settings",
                "Or run `router auth codex --browser` on a machine with a browser",
            ),
        )
    device, code = begun.text("device_auth_id"), begun.text("user_code") or begun.text("usercode")
    if begun.status != 200 or not device or not code.isprintable() or not code:
        raise BadAnswer("the request for a device code", begun)
    deadline = clock() + SECONDS_TO_SIGN_IN
    yield Show(at.device_page, code, deadline)
    interval = max(1.0, begun.number("interval") or USUAL_INTERVAL)
    answer = yield from _confirmed(at, {"device_auth_id": device, "user_code": code}, interval, (clock, deadline))
    granted = yield from ask_for_tokens(
        token_request(
            at.token,
            {
                "grant_type": "authorization_code",
                "client_id": at.client_id,
                "code": answer.text("authorization_code"),
                "code_verifier": answer.text("code_verifier"),
                "redirect_uri": at.device_redirect,
            },
        ),
        "the exchange of the code",
    )
    return signed_in(at, granted)


def signed_in(at: CodexIdentity, granted: Granted) -> SignedIn:
    """What a grant of the Codex client becomes."""
    shown = granted.id_token or granted.access
    return SignedIn(CODEX, granted, person_of(read_claims(shown.reveal())), at.origin, at.client_id)


def _confirmed(at: CodexIdentity, shown: dict[str, object], interval: float, until: tuple[Clock, float]) -> Flow[Reply]:
    clock, deadline = until
    while True:
        yield Wait(interval, deadline)
        if clock() >= deadline:
            raise SignInExpired("Nobody typed the code in time")
        reply: Reply = yield Ask("POST", at.device_token, json=shown)
        if reply.error() == "access_denied":
            raise SignInDenied("The sign-in was refused")
        if reply.error() == "expired_token":
            raise SignInExpired("The code is no longer good")
        if reply.status == 429 or reply.error() == "slow_down":
            interval += SLOWER
        elif reply.status == 200 and reply.text("authorization_code") and reply.text("code_verifier"):
            return reply
        elif reply.status not in PENDING and reply.status < 500:
            raise BadAnswer("the question whether the code was typed", reply)
