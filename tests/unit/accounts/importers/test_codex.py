"""A Codex CLI's auth.json is taken over whole, or refused with a reason that repeats nothing of it."""

import base64
import json

import pytest

from llm_router.accounts.importers.codex import ImportFailed, read, usual_source

CANARY = "canary-5511"


def web_token(claims):
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


@pytest.fixture
def source(tmp_path):
    return tmp_path / "auth.json"


def test_taken_over(source):
    """Tokens, who, and when the access token ends."""
    tokens = {
        "access_token": web_token({"exp": 1500}),
        "refresh_token": "rt",
        "id_token": web_token({"email": "a@b.c"}),
        "account_id": "acct",
    }
    source.write_text(json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2026-01-01T00:00:00Z"}))
    found = read(source, "", 1000.0)

    assert (found.person.email, found.person.account_id) == ("a@b.c", "acct")
    assert (found.granted.refresh.reveal(), found.granted.expires_in) == ("rt", 500.0)
    assert read(source, "", 9000.0).granted.expires_in == 0.0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"tokens": {"access_token": "canary-5511', "is cut short, or is not Codex's"),
        (b"\xff", "is cut short, or is not Codex's"),
        (b'{"OPENAI_API_KEY": "canary-5511"}', "holds an API key only"),
        (b'{"type": "codex", "access_token": "canary-5511"}', "holds no sign-in"),
        (b"[]", "holds no sign-in"),
        (b'{"tokens": {"access_token": "canary-5511"}}', "has no access token and refresh token"),
        (b'{"tokens": {"access_token": 7, "refresh_token": []}}', "has no access token and refresh token"),
    ],
)
def test_refused(source, content, reason):
    """Truncated, foreign, or without a sign-in."""
    source.write_bytes(content)
    with pytest.raises(ImportFailed) as caught:
        read(source, "", 0.0)

    assert caught.value.message == f"`{source}` {reason}"
    assert CANARY not in json.dumps(caught.value.as_json())


def test_not_there(source, tmp_path):
    """A missing file and a folder."""
    for place in (source, tmp_path):
        with pytest.raises(ImportFailed):
            read(place, "", 0.0)


def test_usual_source(tmp_path):
    """CODEX_HOME, else the home folder."""
    assert usual_source(str(tmp_path)) == tmp_path / "auth.json"
    assert usual_source("").parts[-2:] == (".codex", "auth.json")
