"""Every way in which a keyring can fail is told apart, and none of them is a traceback."""

import keyring
import keyring.backends.fail
import keyring.errors
import pytest

from llm_router.secrets import ring as port


def test_write_read_forget(ring):
    """An entry is kept under the router's own service; forgetting it twice is fine."""
    port.write("a", "v")

    assert ring.held == {("llm-router", "a"): "v"}
    assert port.read("a") == "v"
    port.forget("a")
    port.forget("a")
    assert port.read("a") is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (keyring.errors.NoKeyringError(), "There is no keyring on this machine"),
        (keyring.errors.KeyringLocked(), "The keyring is locked"),
        (keyring.errors.InitError(), "The keyring is locked"),
        (EOFError(), "The keyring cannot be used (EOFError)"),
    ],
)
def test_broken(ring, broken, message):
    """Reading and writing say the same sentence."""
    ring.broken = broken
    for attempt in (lambda: port.read("a"), lambda: port.write("a", "v")):
        with pytest.raises(port.KeyringUnusable) as caught:
            attempt()
        assert caught.value.message == message


def test_a_forgetful_keyring(ring):
    """The null back end takes everything and keeps nothing."""
    ring.forgets = True
    with pytest.raises(port.KeyringUnusable) as caught:
        port.write("a", "v")

    assert caught.value.message == "The keyring does not keep what it is given"
