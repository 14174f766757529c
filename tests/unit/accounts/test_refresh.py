"""When a refresh is sent, what is on disk before and after it, and what a failure leaves."""

from dataclasses import dataclass, field, replace

import pytest
from support.accounts import Vault, signed_in

from llm_router.accounts.flow import BadAnswer, NetworkLost, Reply
from llm_router.accounts.grants import Granted, GrantRefused
from llm_router.accounts.refresh import Refresher, RefreshFailed, SignedOut
from llm_router.secrets.secret import Secret

NAME = "codex-ada"


@dataclass
class Provider:
    """Plays the driver: gives new tokens, or fails as told, and looks at what is on disk while it is asked."""

    vault: Vault
    now: float = 0.0
    failure: Exception | None = None
    sent: list[str] = field(default_factory=list)
    begun: list[float | None] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    def run(self, flow):
        self.sent.append(flow.send(None).form["refresh_token"])
        self.begun.append(self.vault.store().get(NAME).begun)
        if self.failure:
            raise self.failure
        number = len(self.sent)
        return Granted(Secret(f"access-{number}"), Secret(f"refresh-{number}"), expires_in=3600.0)

    def refresher(self):
        return Refresher(
            self.vault.store(),
            announce=lambda account, result, detail: self.told.append((account.name, result)),
            clock=lambda: self.now,
            jitter=lambda: 0.0,
            driver=lambda: self,
        )

    def access(self, **how):
        return self.refresher().fresh(NAME, **how).tokens.access.reveal()


@pytest.fixture
def provider(tmp_path):
    vault = Vault(tmp_path)
    vault.store().keep(signed_in(), "", 0.0, 0.0)
    return Provider(vault)


def test_ahead_of_the_end(provider):
    """Nothing is sent before it is due; then one refresh, known to the disk before and after it."""
    assert provider.access() == "access-0"
    provider.now = 3000.0
    assert provider.access() == "access-1"
    assert provider.access() == "access-1"
    held = provider.vault.store().get(NAME)

    assert (provider.sent, provider.begun) == (["refresh-0"], [3000.0])
    assert (held.tokens.refresh, held.begun, held.refreshed_at) == (Secret("refresh-1"), None, 3000.0)
    assert provider.told == [(NAME, "success")]


def test_once_on_a_401(provider):
    """The refused token is replaced; who comes with it later gets the new one without another refresh."""
    refused = Secret("access-0")

    assert provider.access(refused=refused) == "access-1"
    assert provider.access(refused=refused) == "access-1"
    assert provider.sent == ["refresh-0"]


def test_by_hand(provider):
    """`force` refreshes whatever the time is."""
    assert [provider.access(force=True), provider.access(force=True)] == ["access-1", "access-2"]


@pytest.mark.parametrize(
    ("failure", "reason", "in_doubt"),
    [
        (NetworkLost("h", "ConnectError", sent=False), "sign_in.network", False),
        (NetworkLost("h", "ReadTimeout", sent=True), "sign_in.network", True),
        (BadAnswer("x", Reply(200, b"garbage")), "sign_in.bad_answer", True),
        (GrantRefused("", 403), "status_403", False),
    ],
)
def test_a_failure_ahead_of_the_end(provider, failure, reason, in_doubt):
    """The old token goes on being used; whether the refresh token may be spent is remembered; it is told."""
    provider.now, provider.failure = 3000.0, failure

    assert provider.access() == "access-0"
    held = provider.vault.store().get(NAME)
    assert (held.trouble.reason, held.trouble.permanent, held.begun is not None) == (reason, False, in_doubt)
    provider.failure, provider.now = None, 3350.0
    assert provider.access() == ("access-0" if in_doubt else "access-2")
    provider.now = 3600.0
    assert provider.access() == "access-2"
    assert provider.sent == ["refresh-0", "refresh-0"]
    assert provider.told == [(NAME, reason), (NAME, "success")]


def test_no_token_is_left(provider):
    """Then a failure is an error, and requests that follow at once do not each ask the provider."""
    provider.now, provider.failure = 4000.0, NetworkLost("h", "ConnectError", sent=False)
    for _ in range(3):
        with pytest.raises(RefreshFailed):
            provider.access()
    assert len(provider.sent) == 1
    provider.now, provider.failure = 4011.0, None

    assert provider.access() == "access-2"


def test_signed_out(provider):
    """A final refusal is known as one: the token is used up, then nothing is asked again."""
    provider.now, provider.failure = 3000.0, GrantRefused("refresh_token_reused", 401)

    assert provider.access() == "access-0"
    assert provider.access() == "access-0"
    provider.now = 3600.0
    for how in ({}, {"refused": Secret("access-0")}, {"force": True}):
        with pytest.raises(SignedOut) as caught:
            provider.access(**how)
        assert caught.value.message == "The account `codex-ada` is signed out: `refresh_token_reused`"
    assert len(provider.sent) == 1


def test_a_process_that_died(provider):
    """A refresh that was begun and never ended: the access token is used up before the token is tried again."""
    store = provider.vault.store()
    store.change(NAME, lambda held: replace(held, begun=100.0))
    provider.now = 3000.0

    assert provider.access() == "access-0"
    assert provider.sent == []
    provider.now = 3580.0
    assert provider.access() == "access-1"


def test_nothing_to_refresh_with(provider):
    """An account without a refresh token ends with its access token."""
    store = provider.vault.store()
    store.keep(signed_in(refresh=None), "", 0.0, 0.0)
    provider.now = 4000.0
    with pytest.raises(SignedOut):
        provider.access()
