"""What the gateway gets: credentials without secrets in sight, read once, refreshed once."""

import asyncio

import pytest
from support.accounts import Vault, signed_in

from llm_router.accounts.grants import Granted
from llm_router.accounts.keeper import Keeper
from llm_router.accounts.refresh import Refresher
from llm_router.errors import UnknownName
from llm_router.secrets.secret import Secret

NAME = "codex-ada"


class Provider:
    """Plays the driver, and counts."""

    def __init__(self, vault):
        self.vault, self.now, self.sent = vault, 0.0, 0

    def run(self, flow):
        flow.close()
        self.sent += 1
        return Granted(Secret(f"access-{self.sent}"), Secret(f"refresh-{self.sent}"), expires_in=3600.0)

    def keeper(self):
        return Keeper(Refresher(self.vault.store(), clock=lambda: self.now, jitter=lambda: 0.0, driver=lambda: self))


@pytest.fixture
def provider(tmp_path):
    vault = Vault(tmp_path)
    vault.store().keep(signed_in(), "", 0.0, 0.0)
    return Provider(vault)


async def test_a_credential(provider):
    """Everything that a request needs, bound to one place."""
    credential = await provider.keeper().credential(NAME)

    assert (credential.access, credential.base_url) == (Secret("access-0"), "https://chatgpt.com/backend-api/codex")
    assert credential.headers["chatgpt-account-id"] == "acct-1"
    assert credential.headers["originator"] == "llm-router"
    assert "access-0" not in repr(credential)


async def test_a_hundred_at_the_moment_of_expiry(provider):
    """In two gateways: one refresh, and everyone has the new token."""
    first, second = provider.keeper(), provider.keeper()
    await asyncio.gather(first.credential(NAME), second.credential(NAME))
    provider.now = 4000.0
    found = await asyncio.gather(*(keeper.credential(NAME) for keeper in (first, second) for _ in range(50)))

    assert {held.access.reveal() for held in found} == {"access-1"}
    assert provider.sent == 1


async def test_a_hundred_401s(provider):
    """The refused token is replaced once, whoever else was refused with it."""
    keeper = provider.keeper()
    refused = (await keeper.credential(NAME)).access
    found = await asyncio.gather(*(keeper.credential(NAME, refused=refused) for _ in range(100)))

    assert {held.access.reveal() for held in found} == {"access-1"}
    assert provider.sent == 1


async def test_another_process_signs_in(provider):
    """The next request has the new account's token."""
    keeper = provider.keeper()
    await keeper.credential(NAME)
    provider.vault.store().keep(signed_in("access-new"), "", 1.0, 0.0)

    assert (await keeper.credential(NAME)).access == Secret("access-new")
    provider.vault.store().remove(NAME)
    with pytest.raises(UnknownName):
        await keeper.credential(NAME)


async def test_what_is_due(provider):
    """Idle accounts are refreshed too; one that cannot be read keeps no other from it."""
    (provider.vault.home.sealed / "accounts" / "aaa.sealed").write_bytes(b"garbage")
    provider.now = 3100.0
    await provider.keeper().refresh_due()

    assert provider.sent == 1
