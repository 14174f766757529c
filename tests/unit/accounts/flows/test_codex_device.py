"""The Codex device sign-in, as a conversation."""

import pytest
from support.conversation import Conversation, Hour, reply

from llm_router.accounts.flow import BadAnswer, Show, SignInDenied, SignInExpired, SignInUnavailable
from llm_router.accounts.flows.codex_device import sign_in
from llm_router.accounts.grants import GrantRefused
from llm_router.providers.identity import CodexIdentity

BEGUN = reply({"device_auth_id": "d", "user_code": "ABCD", "interval": "5"})
PENDING = reply({"error": {"code": "deviceauth_authorization_pending"}}, 403)
CODE = reply({"authorization_code": "c", "code_verifier": "v", "code_challenge": "x"})
TOKENS = reply({"access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 60})


def play(*replies):
    talk = Conversation(Hour(), replies)
    return talk, lambda: talk.play(sign_in(CodexIdentity(), talk.clock))


def test_success():
    """The code is shown before anything is polled; the exchange carries the server's verifier and is not repeatable."""
    talk, run = play(BEGUN, PENDING, reply({}, 404), CODE, TOKENS)
    signed_in = run()

    assert (signed_in.kind, signed_in.granted.access.reveal()) == ("codex", "a")
    assert talk.steps[1] == Show("https://auth.openai.com/codex/device", "ABCD", 1_000_900.0)
    assert talk.waits() == [5.0, 5.0, 5.0]
    exchange = talk.asked()[-1]
    assert (exchange.url, exchange.spends) == ("https://auth.openai.com/oauth/token", True)
    assert exchange.form == {
        "grant_type": "authorization_code",
        "client_id": CodexIdentity().client_id,
        "code": "c",
        "code_verifier": "v",
        "redirect_uri": "https://auth.openai.com/deviceauth/callback",
    }
    assert all(not ask.spends for ask in talk.asked()[:-1])


def test_slow_down():
    """Each wish for patience adds five seconds; a server that fails is asked again."""
    talk, run = play(BEGUN, reply({}, 429), reply({"error": {"code": "slow_down"}}, 400), reply({}, 503), CODE, TOKENS)
    run()

    assert talk.waits() == [5.0, 10.0, 15.0, 15.0]


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([reply({}, 404)], SignInUnavailable),
        ([reply({}, 500)], BadAnswer),
        ([reply(b"<html>")], BadAnswer),
        ([reply({"device_auth_id": "d", "user_code": "\x1b[2J"})], BadAnswer),
        ([BEGUN, reply({"error": "access_denied"}, 400)], SignInDenied),
        ([BEGUN, reply({"error": "expired_token"}, 400)], SignInExpired),
        ([BEGUN, reply({"error": "other"}, 400)], BadAnswer),
        ([BEGUN, reply({"authorization_code": "c"})], BadAnswer),
        ([BEGUN, CODE, reply({"error": "invalid_grant"}, 400)], GrantRefused),
        ([BEGUN, CODE, reply({})], BadAnswer),
    ],
)
def test_failures(replies, error):
    """Each has a kind of its own."""
    _, run = play(*replies)
    with pytest.raises(error):
        run()


def test_nobody_comes():
    """After a quarter of an hour it ends by itself."""
    talk, run = play(BEGUN, *[PENDING] * 179)
    with pytest.raises(SignInExpired):
        run()

    assert talk.clock.now == 1_000_900.0
