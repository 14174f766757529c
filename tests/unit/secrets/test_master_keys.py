"""Where the master key comes from, which one seals, and what is said when there is none."""

import json
import stat

import keyring.errors
import pytest

from llm_router.home import Home, close_folder
from llm_router.secrets.master_keys import KeptIn, MasterKeyMissing, MasterKeys, NoEncryption
from llm_router.secrets.sealing import BadMasterKey, MasterKey


@pytest.fixture
def home(tmp_path):
    close_folder(tmp_path / ".router" / "sealed")
    return Home(tmp_path / ".router")


def test_the_keyring_keeps_the_first_key(home, ring):
    """It is made once, under its id; another process finds it there."""
    key = MasterKeys(home, {}).for_sealing()

    assert list(ring.held) == [("llm-router", f"master-{key.id}")]
    assert MasterKeys(home, {}).for_sealing().id == key.id
    assert MasterKeys(home, {}).for_opening(key.id).text == key.text
    assert MasterKeys(home, {}).kept_in() is KeptIn.KEYRING


def test_no_keyring(home, ring):
    """Nothing is made; the three ways out are said."""
    ring.broken = keyring.errors.NoKeyringError()
    with pytest.raises(NoEncryption) as caught:
        MasterKeys(home, {}).for_sealing()

    assert caught.value.message == "There is no keyring on this machine, so nothing can be encrypted"
    assert [word in " ".join(caught.value.hints) for word in ("keyring", "systemd", "--store file")] == [True] * 3
    assert list(home.sealed.iterdir()) == []


def test_a_file_by_request(home, ring):
    """It is private, it goes on sealing without being asked for again, and no keyring is asked."""
    ring.broken = keyring.errors.NoKeyringError()
    key = MasterKeys(home, {}).for_sealing(KeptIn.FILE)
    path = home.sealed / f"master-{key.id}.key"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert MasterKeys(home, {}).for_sealing().id == key.id
    path.chmod(0o644)
    with pytest.raises(MasterKeyMissing):
        MasterKeys(home, {}).for_opening(key.id)


def test_given_by_the_environment(home, tmp_path, ring):
    """The variable comes before the credential; the first key seals, every one opens; nothing is kept."""
    first, second, third = (MasterKey.make() for _ in range(3))
    (tmp_path / "llm-router-master-key").write_text(third.text.reveal() + "\n")
    environ = {
        "LLM_ROUTER_MASTER_KEY": f"{first.text.reveal()},{second.text.reveal()}",
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }
    keys = MasterKeys(home, environ)

    assert keys.for_sealing().id == first.id
    assert [keys.for_opening(key.id).id for key in (first, second, third)] == [first.id, second.id, third.id]
    assert MasterKeys(home, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).for_sealing().id == third.id
    assert list(home.sealed.iterdir()) == []


def test_a_bad_one_is_not_repeated(home):
    """Exit 2, and the variable's name."""
    with pytest.raises(BadMasterKey) as caught:
        MasterKeys(home, {"LLM_ROUTER_MASTER_KEY": "hunter2"}).for_sealing()

    assert "hunter2" not in json.dumps(caught.value.as_json())


def test_a_key_that_is_gone(home, ring):
    """What it sealed cannot be opened, and that is said with what to do."""
    key = MasterKeys(home, {}).for_sealing()
    ring.held.clear()
    with pytest.raises(MasterKeyMissing) as caught:
        MasterKeys(home, {}).for_opening(key.id)

    assert caught.value.message == f"The master key `{key.id}` is not in this keyring, and it is not given"


def test_a_damaged_marker(home, ring):
    """It is not guessed which key seals."""
    (home.sealed / "current.json").write_text("{")
    with pytest.raises(MasterKeyMissing):
        MasterKeys(home, {}).for_sealing()
