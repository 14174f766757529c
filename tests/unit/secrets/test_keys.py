"""Keys are private files from their first byte, and the local one is never replaced."""

import stat

import pytest

from llm_router.errors import UnknownName
from llm_router.home import Home, HomeError
from llm_router.secrets.keys import (
    BadKey,
    create_local_key,
    read_local_key,
    reference_to,
    remove_key,
    store_key,
    stored_keys,
)
from llm_router.secrets.secret import Secret
from llm_router.secrets.store import SecretUnavailable, resolve


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".router")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_local_key_is_made_once(home):
    """The first call makes a random private key, the second leaves it alone."""
    made = create_local_key(home)

    assert made is not None
    assert made.reveal().startswith("rk-")
    assert len(made.reveal()) > 40
    assert (mode(home.local_key), mode(home.keys)) == (0o600, 0o700)
    assert create_local_key(home) is None
    assert made == read_local_key(home)
    assert [home.local_key] == list(home.keys.iterdir())


def test_two_homes_have_two_keys(home, tmp_path):
    """Keys are random."""
    assert create_local_key(home) != create_local_key(Home(tmp_path / "other"))


def test_left_over_from_an_interruption(home):
    """What an interrupted run left does not stop the next one."""
    home.create()
    for _ in range(2):
        assert (create_local_key(home) is None) is (home.keys / "seen").exists()
        (home.keys / "seen").touch()


def test_local_key_missing(home):
    """Without a key the hint is bootstrap."""
    with pytest.raises(SecretUnavailable) as caught:
        read_local_key(home)

    assert caught.value.hints == ("Run `router bootstrap`",)


def test_store_list_remove(home):
    """A key's life: stored, replaced, listed, removed."""
    assert not store_key(home, "openai", Secret("first\n"))
    assert store_key(home, "openai", Secret(" second "))
    assert mode(home.keys / "openai.key") == 0o600
    assert resolve(reference_to("openai"), home=home, environ={}).reveal() == "second"
    assert stored_keys(home) == ["openai"]

    remove_key(home, "openai")

    assert stored_keys(home) == []


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "a/b", "-a", "a" * 65])
def test_bad_name(home, name):
    """A name is one plain file name."""
    with pytest.raises(BadKey):
        store_key(home, name, Secret("v"))

    assert not home.root.exists()


@pytest.mark.parametrize("value", ["", "\n", "a\nb", "a\0b", "a" * 70_000])
def test_bad_value(home, value):
    """What could not be read again is not stored."""
    with pytest.raises(BadKey):
        store_key(home, "a", Secret(value))

    assert not home.keys.exists()


def test_remove_unknown(home):
    """The names that exist are told."""
    store_key(home, "openai", Secret("v"))

    with pytest.raises(UnknownName) as caught:
        remove_key(home, "opnai")

    assert caught.value.message == "There is no stored key `opnai`; known: openai"


def test_home_that_cannot_be_made(tmp_path):
    """A file where the folder should be is an error of the home, in one sentence."""
    (tmp_path / "file").touch()

    with pytest.raises(HomeError):
        create_local_key(Home(tmp_path / "file"))
