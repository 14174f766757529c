"""Entries are private encrypted files; a rotation that dies anywhere leaves everything readable."""

import stat

import pytest

from llm_router.errors import UnknownName
from llm_router.home import Home
from llm_router.secrets.master_keys import KeptIn
from llm_router.secrets.sealed_store import CannotRotate, SealedStore
from llm_router.secrets.sealing import MasterKey, SealedDamaged, key_of, seal
from llm_router.secrets.secret import Secret
from llm_router.secrets.store import SecretUnavailable, resolve

CANARY = "canary-1f5c"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".router")


def environ(*keys):
    return {"LLM_ROUTER_MASTER_KEY": ",".join(key.text.reveal() for key in keys)}


def test_put_get_remove(home, ring):
    """Files 0600, folders 0700, no plain text anywhere."""
    store = SealedStore(home, {})

    assert not store.put("openai", Secret("first"))
    assert store.put("openai", Secret(CANARY))
    assert not store.put("accounts/codex-ada", Secret("other"))
    assert SealedStore(home, {}).get("openai").reveal() == CANARY
    assert (store.names(), store.names("accounts")) == (["openai"], ["accounts/codex-ada"])
    files = [path for path in home.sealed.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((home.sealed / "accounts").stat().st_mode) == 0o700
    assert not any(CANARY.encode() in path.read_bytes() for path in files)
    store.remove("openai")
    with pytest.raises(UnknownName):
        store.get("openai")


@pytest.mark.parametrize("name", ["../x", "a/b/c", "", "A", "a/../b", "/a", ".lock"])
def test_names(home, name):
    """A name is never a way out of the folder."""
    with pytest.raises(UnknownName):
        SealedStore(home, {}).path(name)


def test_swapped_files(home, ring):
    """One entry cannot be put in another's place."""
    store = SealedStore(home, {})
    store.put("a", Secret("1"))
    store.put("b", Secret("2"))
    store.path("a").write_bytes(store.path("b").read_bytes())
    with pytest.raises(SealedDamaged):
        store.get("a")


def test_a_reference(home, ring):
    """`sealed:NAME` resolves; what is not stored or does not open says what to run."""
    SealedStore(home, {}).put("openai", Secret(CANARY))

    assert resolve("sealed:openai", home=home, environ={}).reveal() == CANARY
    ring.held.clear()
    for reference in ("sealed:openai", "sealed:other"):
        with pytest.raises(SecretUnavailable) as caught:
            resolve(reference, home=home, environ={})
        assert caught.value.hints


def test_rotation(home, ring):
    """Everything is under a new key; the old one is gone from the keyring."""
    store = SealedStore(home, {})
    store.put("a", Secret("1"))
    store.put("accounts/b", Secret("2"))
    old = set(ring.held)

    assert store.rotate().entries == 2
    assert len(ring.held) == 1
    assert not old & set(ring.held)
    fresh = SealedStore(home, {})
    assert [fresh.get(name).reveal() for name in ("a", "accounts/b")] == ["1", "2"]


@pytest.mark.parametrize("resealed", range(4))
def test_a_rotation_that_died(home, ring, resealed):
    """Wherever it ended, every entry opens; the next run leaves one key and nothing else."""
    names = ["a", "b", "accounts/c"]
    store = SealedStore(home, {})
    for name in names:
        store.put(name, Secret(name))
    old = key_of("a", store.path("a").read_bytes())
    new = store.keys.replace(KeptIn.KEYRING, retiring=[old])
    for name in names[:resealed]:
        store.path(name).write_bytes(seal(new, name, name.encode()))

    assert [SealedStore(home, {}).get(name).reveal() for name in names] == names
    assert SealedStore(home, {}).rotate().left == ()
    assert [SealedStore(home, {}).get(name).reveal() for name in names] == names
    assert len(ring.held) == 1


def test_given_keys(home):
    """With keys from outside, the first given takes over; without a new one there is nothing to do."""
    old, new = MasterKey.make(), MasterKey.make()
    SealedStore(home, environ(old)).put("a", Secret("1"))
    with pytest.raises(CannotRotate):
        SealedStore(home, environ(old)).rotate()

    assert SealedStore(home, environ(new, old)).rotate().entries == 1
    store = SealedStore(home, environ(new))
    assert (store.get("a").reveal(), key_of("a", store.path("a").read_bytes())) == ("1", new.id)
