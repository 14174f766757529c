"""Codex in the browser of this machine: PKCE, with the answer on a loopback port."""

from llm_router.accounts.flow import Clock, Flow
from llm_router.accounts.flows.browser import PATH, authorize, open_port
from llm_router.accounts.flows.codex_device import signed_in
from llm_router.accounts.grants import Granted, Proof, SignedIn, ask_for_tokens, token_request
from llm_router.providers.identity import AGENT, CodexIdentity
from llm_router.secrets.secret import Secret


def sign_in(at: CodexIdentity, clock: Clock, randomness: bytes) -> Flow[SignedIn]:
    """Sign in with the browser. `randomness`: 160 bytes. Raises the errors of `browser.authorize` and GrantRefused."""
    proof = Proof.of(randomness)
    port = yield from open_port(at.redirect_ports)
    redirect = f"http://localhost:{port}{PATH}"
    query = {
        "client_id": at.client_id,
        "redirect_uri": redirect,
        "scope": at.scope,
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "originator": AGENT,
    }
    answer = yield from authorize(at.authorize, query, proof, clock)
    granted = yield from ask_for_tokens(
        token_request(
            at.token,
            {
                "grant_type": "authorization_code",
                "client_id": at.client_id,
                "code": answer["code"],
                "code_verifier": proof.verifier.reveal(),
                "redirect_uri": redirect,
            },
        ),
        "the exchange of the code",
    )
    return signed_in(at, granted)


def refresh(at: CodexIdentity, token: Secret) -> Flow[Granted]:
    """Spend a refresh token; the answer holds its successor. Raises GrantRefused, BadAnswer."""
    form = {"grant_type": "refresh_token", "client_id": at.client_id, "refresh_token": token.reveal()}
    return (yield from ask_for_tokens(token_request(at.token, form), "the refresh"))


def revoke(at: CodexIdentity, token: Secret) -> Flow[bool]:
    """End a refresh token at the provider. Returns whether the provider says it did."""
    form = {"token": token.reveal(), "token_type_hint": "refresh_token", "client_id": at.client_id}
    reply = yield token_request(at.revoke, form, spends=False)
    return bool(reply.status == 200)
