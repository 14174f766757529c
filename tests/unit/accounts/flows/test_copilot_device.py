"""The GitHub device sign-in and the Copilot exchange, as conversations."""

import pytest
from support.conversation import Conversation, Hour, reply

from llm_router.accounts.flow import BadAnswer, Show, SignInDenied, SignInExpired
from llm_router.accounts.flows.copilot_device import exchange, sign_in
from llm_router.accounts.grants import GrantRefused
from llm_router.providers.identity import CopilotIdentity
from llm_router.secrets.secret import Secret

PAGE = "https://github.com/login/device"
BEGUN = reply({"device_code": "d", "user_code": "W-1", "verification_uri": PAGE, "expires_in": 60, "interval": 5})
PENDING = reply({"error": "authorization_pending"})
GITHUB = reply({"access_token": "ghu"})
USER = reply({"login": "ada"})
COPILOT = {"token": "cop", "expires_at": 99, "refresh_in": 1500, "endpoints": {"api": "https://x.githubcopilot.com/"}}
QUOTA = reply({"copilot_plan": "individual"})


def play(*replies):
    talk = Conversation(Hour(), replies)
    return talk, lambda: talk.play(sign_in(CopilotIdentity(), talk.clock, "1.2"))


def test_success():
    """Who, which plan, where; the long-lived token is kept as what refreshes."""
    talk, run = play(BEGUN, PENDING, GITHUB, USER, reply(COPILOT), QUOTA)
    signed_in = run()

    assert talk.steps[1] == Show(PAGE, "W-1", 1_000_060.0)
    assert (signed_in.person.email, signed_in.person.plan) == ("ada", "individual")
    granted = signed_in.granted
    assert (granted.access, granted.refresh, granted.refresh_in) == (Secret("cop"), Secret("ghu"), 1500.0)
    assert granted.base_url == "https://x.githubcopilot.com"
    asked = talk.asked()[4]
    assert asked.headers["authorization"] == "token ghu"
    assert (asked.headers["user-agent"], asked.headers["editor-version"]) == ("llm-router/1.2", "llm-router/1.2")


def test_slow_down():
    """At least five seconds more each time, and what GitHub says if that is more."""
    slow = reply({"error": "slow_down", "interval": 12})
    talk, run = play(BEGUN, slow, slow, PENDING, GITHUB, USER, reply(COPILOT), QUOTA)
    run()

    assert talk.waits() == [5.0, 12.0, 17.0, 17.0]


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([reply(b"<html>")], BadAnswer),
        ([reply({"device_code": "d", "user_code": "W", "verification_uri": "javascript:x"})], BadAnswer),
        ([BEGUN, reply({"error": "access_denied"})], SignInDenied),
        ([BEGUN, reply({"error": "expired_token"})], SignInExpired),
        ([BEGUN, *[PENDING] * 11], SignInExpired),
        ([BEGUN, reply({"error": "incorrect_device_code"})], BadAnswer),
        ([BEGUN, reply({"access_token": "a b"})], BadAnswer),
        ([BEGUN, GITHUB, USER, reply({}, 401)], GrantRefused),
        ([BEGUN, GITHUB, USER, reply({}, 403)], GrantRefused),
        ([BEGUN, GITHUB, USER, reply({"token": ""})], BadAnswer),
    ],
)
def test_failures(replies, error):
    """Each has a kind of its own."""
    _, run = play(*replies)
    with pytest.raises(error):
        run()


@pytest.mark.parametrize(
    "named",
    ["https://evil.example", "http://x.githubcopilot.com", "https://a@x.githubcopilot.com", "https://[", 7, None],
)
def test_a_token_goes_to_the_vendor_only(named):
    """Another place than the vendor's is not believed."""
    held = {**COPILOT, "endpoints": {"api": named}}
    granted = Conversation(Hour(), [reply(held)]).play(exchange(CopilotIdentity(), Secret("g"), "1"))

    assert granted.base_url == "https://api.githubcopilot.com"
