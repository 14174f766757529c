"""When an account's tokens are good, due, or over; and that it survives being written down."""

import json
from dataclasses import replace

import pytest
from support.accounts import account

from llm_router.accounts.account import DAY, AccountDamaged, Trouble, account_from
from llm_router.accounts.grants import Granted
from llm_router.secrets.secret import Secret


@pytest.mark.parametrize(
    ("lifetime", "lead"), [(10 * DAY, 5 * DAY), (4 * DAY, 2 * DAY), (3600.0, 600.0), (30 * DAY, 5 * DAY)]
)
def test_ahead_of_the_end(lifetime, lead):
    """Days ahead where a token lives for days; always before it ends; jitter only makes it earlier."""
    tokens = account(now=1000.0, expires_in=lifetime).tokens

    assert (tokens.expires_at, tokens.refresh_at) == (1000.0 + lifetime, 1000.0 + lifetime - lead)


def test_due():
    """By time; never when signed out; with a refresh in doubt only when the access token is used up."""
    fresh = account(expires_in=3600.0)
    doubt = replace(fresh, begun=10.0)
    ended = replace(fresh, trouble=Trouble("invalid_grant", 10.0, permanent=True))

    assert [fresh.is_due(now) for now in (0.0, 2999.0, 3000.0, 3600.0)] == [False, False, True, True]
    assert [doubt.is_due(now) for now in (3000.0, 3569.0, 3570.0)] == [False, False, True]
    assert not ended.is_due(9999.0)
    assert [fresh.is_good(now) for now in (3569.0, 3570.0)] == [True, False]


def test_an_expired_import():
    """A token that has no time left is due at once."""
    assert account(expires_in=0.0).is_due(0.0)


def test_renewed():
    """New tokens, no trouble, no doubt; the old refresh token stays when no new one comes."""
    held = replace(account(), begun=1.0, trouble=Trouble("x", 1.0, permanent=False))
    renewed = held.renewed(Granted(Secret("a2"), expires_in=60.0), 100.0, 0.0)

    assert (renewed.tokens.access, renewed.tokens.refresh) == (Secret("a2"), Secret("refresh-0"))
    assert (renewed.begun, renewed.trouble, renewed.refreshed_at) == (None, None, 100.0)


def test_round_trip():
    """Everything comes back, through JSON."""
    held = replace(account(), begun=5.0, trouble=Trouble("x", 1.0, permanent=True), priority=2, paused=True)

    assert account_from(json.loads(json.dumps(held.as_json())), "codex-ada") == held
    assert "access-0" not in repr(held)


@pytest.mark.parametrize("change", [{"schema": 2}, {"tokens": None}, {"person": {"x": 1}}, {"trouble": "no"}])
def test_damaged(change):
    """What is no account is refused, and not repeated."""
    with pytest.raises(AccountDamaged) as caught:
        account_from({**account().as_json(), **change}, "codex-ada")

    assert "access-0" not in json.dumps(caught.value.as_json())
    assert caught.value.__cause__ is None
