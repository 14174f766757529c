"""What a token endpoint may answer, and which refusals are final."""

import pytest
from support.conversation import reply

from llm_router.accounts.flow import BadAnswer
from llm_router.accounts.grants import PERMANENT, GrantRefused, Proof, granted, usable


def test_granted():
    """Tokens, lifetime and scope."""
    found = granted(reply({"access_token": "a", "refresh_token": "r", "expires_in": "60", "scope": "x y"}), "it")

    assert (found.access.reveal(), found.refresh.reveal(), found.expires_in, found.scope) == ("a", "r", 60.0, "x y")
    assert found.id_token is None


@pytest.mark.parametrize("code", sorted(PERMANENT))
def test_permanent(code):
    """Each of these ends an account, in either form of an error."""
    for body in ({"error": code}, {"error": {"code": code}}):
        with pytest.raises(GrantRefused) as caught:
            granted(reply(body, 400), "it")
        assert (caught.value.reason, caught.value.permanent) == (code, True)


@pytest.mark.parametrize(("status", "reason"), [(401, "status_401"), (403, "status_403"), (400, "status_400")])
def test_refused_for_now(status, reason):
    """A refusal without a code may be a proxy's."""
    with pytest.raises(GrantRefused) as caught:
        granted(reply(b"<html>", status), "it")

    assert (caught.value.reason, caught.value.permanent) == (reason, False)


@pytest.mark.parametrize(
    "answer", [reply({}), reply(b"garbage"), reply({}, 500), reply({"access_token": ""}), reply({"access_token": 7})]
)
def test_no_answer(answer):
    """No token, no grant."""
    with pytest.raises(BadAnswer):
        granted(answer, "it")


@pytest.mark.parametrize("text", ["", "a b", "a\r\nx-evil: 1", "é", "\x00"])
def test_tokens_that_no_header_can_hold(text):
    """They are no tokens."""
    assert usable(text) is None


def test_proof():
    """The challenge is S256 of the verifier; everything comes from the randomness given."""
    proof = Proof.of(bytes(160))

    assert (len(proof.verifier.reveal()), len(proof.state)) == (128, 43)
    assert proof.challenge != Proof.of(b"\1" * 160).challenge
    assert Proof.of(bytes(160)) == proof
