"""Claims are labels: read from anything, trusted for nothing."""

import base64
import json

import pytest

from llm_router.accounts.claims import Person, label, lifetime_of, person_of, read_claims


def web_token(claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_a_person():
    """Email, plan, account and subject, from either place they stand in."""
    ours = {"chatgpt_account_id": "acct", "chatgpt_plan_type": "plus"}
    token = web_token({"sub": "u1", "email": "a@b.c", "https://api.openai.com/auth": ours})
    other = web_token(
        {"https://api.openai.com/profile": {"email": "a@b.c"}, "https://api.openai.com/auth": {"user_id": "u1"}}
    )

    assert person_of(read_claims(token)) == Person("a@b.c", "plus", "acct", "u1")
    assert person_of(read_claims(other)) == Person("a@b.c", "", "", "u1")


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "e30.W10.x", "a.e30.b.c", "..", "a.\x00.b", web_token([1])])
def test_garbage(token):
    """Nothing comes of it, and nothing is raised."""
    assert person_of(read_claims(token)) == Person()
    assert lifetime_of(token) is None


@pytest.mark.parametrize(
    ("held", "text"),
    [("ada", "ada"), ("a\x1b[31mb\r\nc", "a[31mbc"), ("é", ""), (None, ""), (7, ""), ("x" * 200, "x" * 100)],
)
def test_labels(held, text):
    """What goes to terminals and headers is printable, plain and bounded."""
    assert label(held) == text


def test_lifetimes_need_no_clock():
    """The difference of the issuer's own times."""
    assert lifetime_of(web_token({"iat": 1000, "exp": 4600})) == 3600
    assert lifetime_of(web_token({"iat": 5000, "exp": 4600})) is None
    assert lifetime_of(web_token({"exp": 4600})) is None


def test_same_person():
    """One account of one person; nobody is nobody's same."""
    ada = Person("a@b.c", "plus", "acct", "u1")

    assert ada.is_same(Person("new@b.c", "pro", "acct", "u1"))
    assert not ada.is_same(Person("a@b.c", "plus", "other", "u1"))
    assert not Person().is_same(Person())
