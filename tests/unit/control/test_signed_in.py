"""How an account's health is told, and that every end is announced days ahead where the token allows."""

from dataclasses import replace

import pytest
from support.accounts import Vault, account, signed_in

from llm_router.accounts.account import DAY, Trouble
from llm_router.control.signed_in import reports, standing
from llm_router.errors import UnknownName

FINE = account()
ENDED = Trouble("invalid_grant", 10.0, permanent=True)
FAILED = Trouble("sign_in.network", 10.0, permanent=False)


@pytest.mark.parametrize(
    ("held", "now", "health"),
    [
        (FINE, 0.0, "ok"),
        (replace(FINE, paused=True), 0.0, "paused"),
        (replace(FINE, trouble=FAILED), 20.0, "failing"),
        (replace(FINE, begun=10.0), 20.0, "ok"),
        (replace(FINE, begun=10.0), 200.0, "failing"),
        (replace(FINE, trouble=ENDED), 20.0, "signed_out"),
        (account(refresh=None), 0.0, "ending"),
        (account(refresh_expires_in=30 * DAY), 25 * DAY - 1, "ok"),
        (account(refresh_expires_in=30 * DAY), 25 * DAY + 1, "ending"),
    ],
)
def test_standing(held, now, health):
    """One word, and a sentence where something is to be done."""
    found, message = standing(held, now)

    assert found == health
    assert bool(message) is (health != "ok")


def test_reports(tmp_path):
    """All accounts, or those that are named; one that cannot be read is told among the others."""
    vault = Vault(tmp_path)
    vault.store().keep(signed_in(), "", 0.0, 0.0)
    (vault.home.sealed / "accounts" / "codex-x.sealed").write_bytes(b"garbage")
    found = reports(vault.home, vault.environ, [])

    assert [(one.name, one.health, one.is_well) for one in found] == [
        ("codex-ada", "ok", True),
        ("codex-x", "unreadable", False),
    ]
    assert "access-0" not in str([one.as_json() for one in found])
    with pytest.raises(UnknownName):
        reports(vault.home, vault.environ, ["codex-eve"])
