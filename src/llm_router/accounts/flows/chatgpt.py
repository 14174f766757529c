"""Sign in with ChatGPT: a browser sign-in whose first run also makes a client id for this machine and account."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from llm_router.accounts.claims import Person, person_of
from llm_router.accounts.flow import Ask, BadAnswer, Clock, Flow, Reply, SignInFailed
from llm_router.accounts.flows.browser import PATH, authorize, open_port
from llm_router.accounts.grants import Granted, Proof, SignedIn, ask_for_tokens, token_request
from llm_router.accounts.id_token import Expected, verified
from llm_router.providers.identity import AGENT, CHATGPT, ChatgptIdentity, is_private_way
from llm_router.secrets.secret import Secret

NO_PLAN = (
    "The sign-in does not include use of the ChatGPT plan, so no request is sent with it; "
    "look at the app's permissions, or use an API key"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What makes a sign-in this machine's: a stable `urn:uuid:…`, and the client id that was issued before, if any."""

    host_id: str
    client_id: str = ""


def sign_in(at: ChatgptIdentity, clock: Clock, randomness: bytes, machine: Machine) -> Flow[SignedIn]:
    """Sign in with the browser. Raises the errors of `browser.authorize`, GrantRefused, BadAnswer, SignInFailed."""
    proof = Proof.of(randomness)
    port = yield from open_port((0,))
    redirect = f"http://127.0.0.1:{port}{PATH}"
    asked = {"redirect_uri": redirect, "scope": at.scope, "resource": at.base_url, "nonce": proof.nonce}
    answer = yield from authorize(at.authorize, {**_client(at, machine), **asked}, proof, clock)
    client_id = answer.get("client_id", "") or machine.client_id
    if not client_id or client_id == at.bootstrap_client_id:
        raise SignInFailed("The sign-in page issued no client id")
    granted = yield from ask_for_tokens(
        token_request(
            at.token,
            {
                "grant_type": "authorization_code",
                "client_id": client_id,
                "code": answer["code"],
                "code_verifier": proof.verifier.reveal(),
                "redirect_uri": redirect,
                "resource": at.base_url,
            },
        ),
        "the exchange of the code",
    )
    who = yield from _who(at, granted, Expected(at.auth, client_id, proof.nonce, clock()))
    notes = () if at.plan_scope in granted.scope.split() else (NO_PLAN,)
    return SignedIn(CHATGPT, _dated(at, granted), who, at.origin, client_id, notes)


def refresh(at: ChatgptIdentity, token: Secret, client_id: str) -> Flow[Granted]:
    """Spend a refresh token; the answer holds its successor. Raises GrantRefused, BadAnswer."""
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "refresh_token": token.reveal(),
        "resource": at.base_url,
    }
    granted = yield from ask_for_tokens(token_request(at.token, form), "the refresh")
    return _dated(at, granted)


def _client(at: ChatgptIdentity, machine: Machine) -> Mapping[str, str]:
    if machine.client_id:
        return {"client_id": machine.client_id}
    return {
        "client_id": at.bootstrap_client_id,
        "agent_name_hint": AGENT,
        "ext_agent_host_id": machine.host_id,
    }


def _who(at: ChatgptIdentity, granted: Granted, expected: Expected) -> Flow[Person]:
    if granted.id_token is None:
        raise SignInFailed("The provider sent no identity token")
    described: Reply = yield Ask("GET", at.discovery)
    issuer, keys_url = described.text("issuer"), described.text("jwks_uri")
    if not hmac.compare_digest(issuer.rstrip("/").encode(), expected.issuer.encode()) or not is_private_way(keys_url):
        raise BadAnswer("the question for the provider's keys", described)
    keys: Reply = yield Ask("GET", keys_url)
    return person_of(verified(granted.id_token, keys.json(), expected))


def _dated(at: ChatgptIdentity, granted: Granted) -> Granted:
    return Granted(
        access=granted.access,
        refresh=granted.refresh,
        expires_in=granted.expires_in,
        refresh_expires_in=at.refresh_lifetime if granted.refresh else None,
        scope=granted.scope,
    )
