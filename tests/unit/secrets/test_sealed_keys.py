"""Keys by name: sealed unless asked otherwise, listed and removed wherever they are."""

import pytest

from llm_router.errors import UnknownName
from llm_router.home import Home
from llm_router.secrets.keys import BadKey
from llm_router.secrets.sealed_keys import references, remove, store_plain, store_sealed
from llm_router.secrets.secret import Secret


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".router")


def test_both_kinds(home, ring):
    """A sealed key says that a plain one of its name is still there; removing removes both."""
    store_plain(home, "a", Secret("1"))
    stored = store_sealed(home, {}, "a", Secret(" 2\n"))
    store_sealed(home, {}, "b", Secret("3"))

    assert (stored.reference, stored.replaced, stored.also_plain) == ("sealed:a", False, "keys/a.key")
    assert references(home) == [("a", "file:keys/a.key"), ("a", "sealed:a"), ("b", "sealed:b")]
    remove(home, "a")
    assert references(home) == [("b", "sealed:b")]
    with pytest.raises(UnknownName):
        remove(home, "a")


@pytest.mark.parametrize(("name", "value"), [("a", ""), ("a", "two\nlines"), ("../a", "v"), ("accounts/a", "v")])
def test_refused(home, ring, name, value):
    """The same names and values as for plain keys; nothing is stored."""
    with pytest.raises(BadKey):
        store_sealed(home, {}, name, Secret(value))

    assert references(home) == []
