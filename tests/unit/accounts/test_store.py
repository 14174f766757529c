"""One sealed file per account, named after whom it belongs to."""

import stat
from dataclasses import replace

import pytest
from support.accounts import Vault, signed_in

from llm_router.accounts.claims import Person
from llm_router.accounts.store import BadLabel
from llm_router.errors import UnknownName


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


def test_keep(vault):
    """The name comes from the person; the file is private and sealed."""
    kept = vault.store().keep(signed_in(), "", 0.0, 0.0)
    path = vault.home.sealed / "accounts" / "codex-ada.sealed"

    assert (kept.account.name, kept.replaced) == ("codex-ada", False)
    assert vault.store().get("codex-ada") == kept.account
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ada@example.com" not in path.read_bytes()


def test_signing_in_again(vault):
    """The same person's account is replaced, and keeps how it is to be used."""
    store = vault.store()
    store.keep(signed_in(), "", 0.0, 0.0)
    store.change("codex-ada", lambda held: replace(held, priority=3, weight=7, paused=True))
    kept = store.keep(signed_in("access-1"), "", 5.0, 0.0)

    assert (kept.replaced, store.names()) == (True, ["codex-ada"])
    held = store.get("codex-ada")
    assert (held.tokens.access.reveal(), held.priority, held.weight, held.paused) == ("access-1", 3, 7, True)


def test_another_person(vault):
    """Nobody's account is overwritten by somebody else's."""
    store = vault.store()
    other = Person("ada@other.example", "pro", "acct-2", "user-2")
    store.keep(signed_in(), "", 0.0, 0.0)
    store.keep(signed_in("access-2", person=other), "", 0.0, 0.0)

    assert store.names() == ["codex-ada", "codex-ada-2"]
    assert store.get("codex-ada").tokens.access.reveal() == "access-0"


@pytest.mark.parametrize(
    ("person", "name"),
    [
        (Person("Ada.B+x@y.z"), "codex-ada-b-x"),
        (Person(account_id="ACCT_1"), "codex-acct-1"),
        (Person(), "codex-account"),
        (Person("../../etc@x"), "codex-etc"),
    ],
)
def test_names(vault, person, name):
    """A name is made of what is known, and never of anything that a path could hold."""
    assert vault.store().keep(signed_in(person=person), "", 0.0, 0.0).account.name == name


def test_labels(vault):
    """A label is taken as it is, or refused."""
    store = vault.store()

    assert store.keep(signed_in(), "work", 0.0, 0.0).account.name == "codex-work"
    for label in ("../x", "A", "-a", "x" * 33):
        with pytest.raises(BadLabel):
            store.keep(signed_in(), label, 0.0, 0.0)


def test_remove(vault):
    """Gone; a name that is not there is said with those that are."""
    store = vault.store()
    store.keep(signed_in(), "", 0.0, 0.0)
    with pytest.raises(UnknownName) as caught:
        store.remove("codex-eve")
    assert caught.value.known == ("codex-ada",)
    store.remove("codex-ada")
    for look in (store.get, store.remove):
        with pytest.raises(UnknownName):
            look("codex-ada")


def test_host_id(vault):
    """Made once."""
    assert vault.store().host_id() == vault.store().host_id()
    assert vault.store().host_id().startswith("urn:uuid:")
