"""Each kind refreshes at the place it came from, and proves itself with a call that costs nothing."""

import pytest
from support.accounts import account
from support.conversation import Conversation, Hour, reply

from llm_router.accounts.flow import BadAnswer
from llm_router.accounts.grants import GrantRefused
from llm_router.accounts.kinds import checking, refreshing, revoking

ORIGIN = "http://127.0.0.1:1"


@pytest.mark.parametrize("origin", ["", ORIGIN])
@pytest.mark.parametrize(
    ("kind", "host", "path"),
    [
        ("codex", "https://auth.openai.com", "/oauth/token"),
        ("chatgpt", "https://auth.openai.com", "/api/accounts/oauth/token"),
        ("copilot", "https://api.github.com", "/copilot_internal/v2/token"),
    ],
)
def test_a_token_goes_back_where_it_came_from(kind, host, path, origin):
    """Not to where the environment points today."""
    ask = refreshing(account(kind=kind, origin=origin)).send(None)

    assert ask.url == (origin or host) + path


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("codex", "https://chatgpt.com/backend-api/wham/usage"),
        ("chatgpt", "https://api.openai.com/v1/models"),
        ("copilot", "https://api.github.com/copilot_internal/user"),
    ],
)
def test_checking(kind, url):
    """The answer is passed on; refusals and garbage are told apart."""
    for answer, error in [(reply({}, 401), GrantRefused), (reply({}, 500), BadAnswer), (reply(b"x"), BadAnswer)]:
        with pytest.raises(error):
            Conversation(Hour(), [answer]).play(checking(account(kind=kind)))
    talk = Conversation(Hour(), [reply({"a": 1})])

    assert talk.play(checking(account(kind=kind))) == {"a": 1}
    assert talk.asked()[0].url == url


def test_revoking():
    """Only Codex offers it."""
    assert [revoking(account(kind=kind)) is not None for kind in ("codex", "chatgpt", "copilot")] == [
        True,
        False,
        False,
    ]
