"""Replies are read without trust, and nothing that may hold a token shows itself."""

import pytest
from support.conversation import reply

from llm_router.accounts.flow import Ask, BadAnswer, Reply, as_number


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"null", b'"x"', b"{" * 10_000, b"[" * 100_000])
def test_garbage(body):
    """What is no JSON object is an empty one."""
    assert (Reply(200, body).json(), Reply(200, body).text("a"), Reply(200, body).error()) == ({}, "", "")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": "slow_down"}, "slow_down"),
        ({"error": {"code": "refresh_token_reused", "message": "x"}}, "refresh_token_reused"),
        ({"code": "expired"}, "expired"),
        ({"error": "a sentence with sk-canary"}, ""),
        ({"error": "x" * 81}, ""),
        ({"error": 7}, ""),
    ],
)
def test_error_codes(body, code):
    """A code is a word; whatever else stands there is not repeated."""
    assert reply(body, 400).error() == code


@pytest.mark.parametrize(
    ("held", "number"),
    [(5, 5.0), ("7", 7.0), (0, 0.0), (-1, None), ("x", None), (True, None), (None, None), (1e300, None), ("nan", None)],
)
def test_numbers(held, number):
    """Times that make sense, as numbers or as text."""
    assert as_number(held) == number


def test_nothing_shows_itself():
    """Requests and replies can be printed."""
    ask = Ask("POST", "https://a/b", {"authorization": "canary"}, form={"a": "canary"}, json={"a": "canary"})

    assert "canary" not in repr(ask) + repr(reply({"a": "canary"}))
    assert BadAnswer("x", reply({"error": "no", "token": "canary"}, 400)).message == (
        "The answer to x cannot be used: status 400, `no`"
    )
