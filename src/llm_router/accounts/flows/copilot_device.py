"""GitHub Copilot: GitHub's device flow, then the exchange of the GitHub token for a short Copilot token."""

from urllib.parse import urlsplit

from llm_router.accounts.claims import Person, label
from llm_router.accounts.flow import (
    Ask,
    BadAnswer,
    Clock,
    Flow,
    Reply,
    Show,
    SignInDenied,
    SignInExpired,
    Wait,
)
from llm_router.accounts.grants import Granted, GrantRefused, SignedIn, usable
from llm_router.providers.identity import AGENT, COPILOT, CopilotIdentity, headers_for, is_private_way
from llm_router.secrets.secret import Secret

JSON = {"accept": "application/json"}
USUAL_INTERVAL = 5.0  # seconds
SLOWER = 5.0  # seconds, as RFC 8628 wants
LONGEST = 15 * 60.0  # seconds
OK = 200


def sign_in(at: CopilotIdentity, clock: Clock, version: str) -> Flow[SignedIn]:
    """Sign in by device code and check that the account has Copilot.

    Raises SignInDenied, SignInExpired, BadAnswer, GrantRefused.
    """
    begun: Reply = yield Ask("POST", at.device_code, headers=JSON, form={"client_id": at.client_id, "scope": at.scope})
    device, code, page = (begun.text(name) for name in ("device_code", "user_code", "verification_uri"))
    if begun.status != OK or not device or not code or not code.isprintable() or not is_private_way(page):
        raise BadAnswer("the request for a device code", begun)
    deadline = clock() + min(LONGEST, begun.number("expires_in") or LONGEST)
    yield Show(page, code, deadline)
    interval = max(1.0, begun.number("interval") or USUAL_INTERVAL)
    github = yield from _confirmed(at, device, interval, (clock, deadline))
    reply: Reply = yield Ask("GET", at.user, headers=_github(github, version))
    who = label(reply.text("login")) if reply.status == OK else ""
    granted = yield from exchange(at, github, version)
    quota: Reply = yield Ask("GET", at.quota, headers=_github(github, version))
    plan = label(quota.text("copilot_plan")) if quota.status == OK else ""
    return SignedIn(COPILOT, granted, Person(email=who, plan=plan, subject=who), at.origin, at.client_id)


def exchange(at: CopilotIdentity, github: Secret, version: str) -> Flow[Granted]:
    """A short Copilot token for a GitHub token, which stays good. Raises GrantRefused, BadAnswer."""
    reply: Reply = yield Ask("GET", at.exchange, headers=_github(github, version))
    if reply.status in (401, 403, 404):
        raise GrantRefused("bad_credentials" if reply.status == 401 else "no_subscription", reply.status)
    access = usable(reply.text("token"))
    if reply.status != OK or access is None:
        raise BadAnswer("the exchange for a Copilot token", reply)
    refresh_in = reply.number("refresh_in")
    return Granted(
        access=access,
        refresh=github,
        # `expires_at` is a time of the server's clock; `refresh_in` needs no clock to agree with ours.
        expires_in=refresh_in + 60 if refresh_in is not None else None,
        refresh_in=refresh_in,
        base_url=_place(at, reply),
    )


def quota(at: CopilotIdentity, github: Secret, version: str) -> Flow[Reply]:
    """What is left of the plan, as GitHub says it."""
    reply: Reply = yield Ask("GET", at.quota, headers=_github(github, version))
    return reply


def _confirmed(at: CopilotIdentity, device: str, interval: float, until: tuple[Clock, float]) -> Flow[Secret]:
    clock, deadline = until
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    form = {"client_id": at.client_id, "device_code": device, "grant_type": grant}
    while True:
        yield Wait(interval, deadline)
        if clock() >= deadline:
            raise SignInExpired("Nobody typed the code in time")
        reply: Reply = yield Ask("POST", at.token, headers=JSON, form=form)
        match reply.error():
            case "authorization_pending":
                continue
            case "slow_down":
                interval = max(interval + SLOWER, min(60.0, reply.number("interval") or 0.0))
            case "expired_token":
                raise SignInExpired("The code is no longer good")
            case "access_denied":
                raise SignInDenied("The sign-in was refused")
            case _:
                if token := usable(reply.text("access_token")):
                    return token
                if reply.status < 500:
                    raise BadAnswer("the question whether the code was typed", reply)


def _github(token: Secret, version: str) -> dict[str, str]:
    return {
        **JSON,
        **headers_for(COPILOT, "", version),
        "authorization": f"token {token.reveal()}",
        "user-agent": f"{AGENT}/{version}",
    }


def _place(at: CopilotIdentity, reply: Reply) -> str:
    """Where the exchange says the token is good, if that is one of the vendor's own hosts."""
    held = reply.json().get("endpoints")
    named = held.get("api") if isinstance(held, dict) else None
    if not isinstance(named, str) or not is_private_way(named):
        return at.base_url
    host = urlsplit(named).hostname or ""
    own = urlsplit(at.base_url).hostname == host or (not at.origin and host.endswith(".githubcopilot.com"))
    return named.rstrip("/") if own else at.base_url
