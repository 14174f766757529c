"""Sign in with ChatGPT, as a conversation with signed identity tokens."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from support.conversation import Conversation, Hour, reply

from llm_router.accounts.flow import BadAnswer, SignInFailed
from llm_router.accounts.flows.chatgpt import NO_PLAN, Machine, refresh, sign_in
from llm_router.accounts.grants import Proof
from llm_router.accounts.id_token import IdentityNotProven
from llm_router.providers.identity import ChatgptIdentity
from llm_router.secrets.secret import Secret
from llm_router.testing.identity_state import public_keys, token

AT = ChatgptIdentity()
NONCE = Proof.of(bytes(160)).nonce
DESCRIBED = reply({"issuer": "https://auth.openai.com", "jwks_uri": "https://auth.openai.com/jwks"})
PLAN = "openid chatgpt.tokens.use.direct"


def id_token(**changed):
    claims = {"iss": "https://auth.openai.com", "aud": ["oaiapp_1"], "exp": 1_003_600, "nonce": NONCE, "sub": "u"}
    return token({**claims, **changed})


def granted(shown, scope=PLAN):
    body = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "scope": scope, "id_token": shown}
    return reply(body)


def play(machine, replies, **query):
    def back(url):
        return {"state": dict(parse_qsl(urlsplit(url).query))["state"], "code": "c", **query}

    talk = Conversation(Hour(), replies, back)
    return talk, lambda: talk.play(sign_in(AT, talk.clock, bytes(160), machine))


def test_the_first_sign_in():
    """It introduces this machine, and goes on with the client id that it is issued."""
    machine = Machine("urn:uuid:1")
    talk, run = play(machine, [granted(id_token()), DESCRIBED, reply(public_keys())], client_id="oaiapp_1")
    signed_in = run()
    shown = dict(parse_qsl(urlsplit(talk.steps[1].url).query))

    assert (shown["client_id"], shown["agent_name_hint"]) == ("dynamic_agent_client", "llm-router")
    assert (shown["ext_agent_host_id"], shown["resource"]) == ("urn:uuid:1", "https://api.openai.com/v1")
    assert talk.asked()[0].form["client_id"] == "oaiapp_1"
    assert (signed_in.client_id, signed_in.person.subject, signed_in.notes) == ("oaiapp_1", "u", ())
    assert signed_in.granted.refresh_expires_in == 30 * 24 * 3600.0


def test_a_later_sign_in():
    """It uses the issued client id; without the plan's scope that is said."""
    machine = Machine("urn:uuid:1", "oaiapp_1")
    talk, run = play(machine, [granted(id_token(), "openid"), DESCRIBED, reply(public_keys())])

    assert run().notes == (NO_PLAN,)
    assert "client_id=oaiapp_1" in talk.steps[1].url
    assert "ext_agent_host_id" not in talk.steps[1].url


@pytest.mark.parametrize(
    "shown",
    [
        id_token(iss="https://evil.example"),
        id_token(aud=["other"]),
        id_token(aud=["oaiapp_1", "other"]),
        id_token(exp=1),
        id_token(nonce="other"),
        id_token()[:-8] + "AAAAAAAA",
        "e30.e30.",
        "garbage",
    ],
)
def test_an_identity_that_is_not_proven(shown):
    """Signature, issuer, audience, time and nonce must all hold."""
    machine = Machine("urn:uuid:1", "oaiapp_1")
    _, run = play(machine, [granted(shown), DESCRIBED, reply(public_keys())])
    with pytest.raises(IdentityNotProven):
        run()


def test_other_failures():
    """No client id, no identity token, a foreign issuer: refused before anything is believed."""
    fresh, known = Machine("urn:uuid:1"), Machine("urn:uuid:1", "oaiapp_1")
    foreign = reply({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/jwks"})
    for machine, replies, error in [
        (fresh, [], SignInFailed),
        (known, [reply({"access_token": "a"})], SignInFailed),
        (known, [granted(id_token()), foreign], BadAnswer),
    ]:
        _, run = play(machine, replies)
        with pytest.raises(error):
            run()


def test_refresh():
    """With client id and resource, without a scope."""
    talk = Conversation(Hour(), [granted("")])
    found = talk.play(refresh(AT, Secret("old"), "oaiapp_1"))

    assert talk.asked()[0].form == {
        "grant_type": "refresh_token",
        "client_id": "oaiapp_1",
        "refresh_token": "old",
        "resource": "https://api.openai.com/v1",
    }
    assert (found.refresh, found.refresh_expires_in) == (Secret("r"), 30 * 24 * 3600.0)
