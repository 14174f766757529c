"""The Codex browser sign-in, refresh and revocation, as conversations."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from support.conversation import Conversation, Hour, reply

from llm_router.accounts.flow import Listen, SignInDenied, SignInExpired, SignInFailed
from llm_router.accounts.flows.codex_pkce import refresh, revoke, sign_in
from llm_router.accounts.grants import GrantRefused, Proof
from llm_router.providers.identity import CodexIdentity
from llm_router.secrets.secret import Secret

TOKENS = reply({"access_token": "a", "refresh_token": "r", "expires_in": 60})


def returning(**query):
    """A browser that comes back with the state it was sent with, unless told otherwise."""

    def back(url):
        asked = dict(parse_qsl(urlsplit(url).query))
        return {"state": asked["state"], **query}

    return back


def play(returns, *replies):
    talk = Conversation(Hour(), replies, returns)
    return talk, lambda: talk.play(sign_in(CodexIdentity(), talk.clock, bytes(160)))


def test_success():
    """The page is asked with the challenge, the exchange with the verifier."""
    talk, run = play(returning(code="c"), TOKENS)
    run()
    shown = dict(parse_qsl(urlsplit(talk.steps[1].url).query))

    assert talk.steps[0] == Listen((1455, 1457), "/auth/callback")
    assert shown["redirect_uri"] == "http://localhost:4711/auth/callback"
    assert (shown["originator"], shown["code_challenge"]) == ("llm-router", Proof.of(bytes(160)).challenge)
    assert talk.asked()[0].form["code_verifier"] == Proof.of(bytes(160)).verifier.reveal()
    assert Proof.of(bytes(160)).verifier.reveal() not in talk.steps[1].url


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"error": "access_denied"}, SignInDenied),
        ({"error": "server_error"}, SignInFailed),
        ({}, SignInFailed),
    ],
)
def test_refused_in_the_browser(query, error):
    """No code, no exchange."""
    _, run = play(returning(**query))
    with pytest.raises(error):
        run()


def test_another_page_s_answer():
    """A return with a foreign state is not taken, and does not end the waiting."""
    answers = [{"state": "forged", "code": "evil"}, {"code": "evil"}]
    right = returning(code="c")
    talk, run = play(lambda url: answers.pop(0) if answers else right(url), TOKENS)
    run()

    assert talk.asked()[0].form["code"] == "c"


def test_nobody_comes():
    """Only forged answers until the end."""
    talk = Conversation(Hour(), [])

    def forged(url):
        talk.clock.now += 300
        return {"state": "forged"}

    talk.returns = forged
    with pytest.raises(SignInExpired):
        talk.play(sign_in(CodexIdentity(), talk.clock, bytes(160)))


def test_refresh():
    """The token is spent by the request, which is therefore never repeated."""
    talk = Conversation(Hour(), [TOKENS])
    granted = talk.play(refresh(CodexIdentity(), Secret("old")))

    assert granted.refresh == Secret("r")
    assert (talk.asked()[0].spends, talk.asked()[0].form["refresh_token"]) == (True, "old")
    with pytest.raises(GrantRefused):
        Conversation(Hour(), [reply({"error": "invalid_grant"}, 400)]).play(refresh(CodexIdentity(), Secret("x")))


def test_revoke():
    """Whether the provider confirms it."""
    assert Conversation(Hour(), [reply({})]).play(revoke(CodexIdentity(), Secret("x"))) is True
    assert Conversation(Hour(), [reply({}, 503)]).play(revoke(CodexIdentity(), Secret("x"))) is False
