"""Addresses are data; a token travels over TLS or stays on this machine; we say who we are."""

import pytest

from llm_router.providers.identity import ChatgptIdentity, CodexIdentity, CopilotIdentity, headers_for, is_private_way


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://auth.openai.com/x", True),
        ("http://127.0.0.1:5/x", True),
        ("http://localhost", True),
        ("http://[::1]:5", True),
        ("http://auth.openai.com", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://user:pw@auth.openai.com", False),
        ("https://", False),
        ("ftp://127.0.0.1", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_private_ways(url, private):
    """Everything else is refused before a connection is made."""
    assert is_private_way(url) is private


def test_one_origin_in_the_vendors_place():
    """Every address moves with it; none stays at the vendor's."""
    for made in (CodexIdentity, ChatgptIdentity, CopilotIdentity):
        ours, theirs = made("http://127.0.0.1:1"), made()
        names = [name for name in dir(made) if isinstance(getattr(made, name, None), property)]
        urls = {name: getattr(ours, name) for name in names if isinstance(getattr(ours, name), str)}
        assert {url[:18] for url in urls.values()} == {"http://127.0.0.1:1"}
        assert all(getattr(theirs, name).startswith("https://") for name in urls)


def test_we_are_llm_router():
    """No other client's name, but for the integration that Copilot's endpoint asks for."""
    said = [headers_for(kind, "acct", "1.2") for kind in ("codex", "copilot", "chatgpt")]

    assert {held["user-agent"] for held in said} == {"llm-router/1.2"}
    assert "chatgpt-account-id" not in headers_for("codex", "", "1.2")
