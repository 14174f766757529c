"""What is sealed opens under its own key and name only, and any change to it is noticed."""

import base64
import json

import pytest

from llm_router.secrets.sealing import BadMasterKey, MasterKey, SealedDamaged, key_of, seal, unseal

CANARY = b"canary-77aa"


def test_round_trip():
    """What goes in comes out; what is stored shows neither the content nor the key."""
    key = MasterKey.make()
    held = seal(key, "openai", CANARY)

    assert unseal(key, "openai", held) == CANARY
    assert key_of("openai", held) == key.id
    assert CANARY not in held
    assert key.text.reveal().encode() not in held
    assert seal(key, "openai", CANARY) != held


def test_keys_are_read_as_they_are_made():
    """Base64 with or without padding, in either alphabet, with white space around it."""
    key = MasterKey.make()
    text = key.text.reveal()
    forms = [text, f" {text}\n", text.rstrip("="), text.replace("+", "-").replace("/", "_")]

    assert [MasterKey.parse(form, "a test").id for form in forms] == [key.id] * 4


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(b"x" * 31).decode(), "é" * 44, "!" * 44])
def test_no_master_key(text):
    """What is no key is refused without being repeated."""
    with pytest.raises(BadMasterKey) as caught:
        MasterKey.parse(text, "LLM_ROUTER_MASTER_KEY")

    assert caught.value.message == "The master key in LLM_ROUTER_MASTER_KEY is not 32 random bytes in base64"


def test_another_name_or_key():
    """A file that was renamed, or sealed elsewhere, does not open."""
    key = MasterKey.make()
    held = seal(key, "openai", CANARY)
    for name, other in [("anthropic", key), ("openai", MasterKey.make())]:
        with pytest.raises(SealedDamaged):
            unseal(other, name, held)


def test_any_change_is_noticed():
    """Each part of the file is authenticated; what is no sealed file at all is damaged too."""
    key = MasterKey.make()
    held = json.loads(seal(key, "openai", CANARY))
    changed = [
        json.dumps({**held, part: base64.b64encode(b"\0" + base64.b64decode(held[part])[1:]).decode()}).encode()
        for part in ("nonce", "sealed")
    ]
    for bad in [*changed, b"", b"{}", b"[]", b"\xff", json.dumps({**held, "nonce": 7}).encode()]:
        with pytest.raises(SealedDamaged):
            unseal(key, "openai", bad)


@pytest.mark.parametrize("change", [{"schema": 2}, {"key": "../../etc"}, {"key": "A" * 16}, {"key": ""}])
def test_a_key_id_is_never_a_path(change):
    """The id becomes a file's name, so nothing but an id is taken for one."""
    held = {**json.loads(seal(MasterKey.make(), "openai", CANARY)), **change}
    with pytest.raises(SealedDamaged):
        key_of("openai", json.dumps(held).encode())
