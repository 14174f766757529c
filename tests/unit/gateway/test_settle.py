"""From references to secrets, without one ever being shown."""

from pathlib import Path

import pytest

from llm_router.gateway.settle import settle, translator_from
from llm_router.gateway.state import digest
from llm_router.home import Home, write_private
from llm_router.routing.plan import GatewaySettings, Plan, TranslatorSettings, Upstream, Wire

CANARY = "sk-canary-7f3a9"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    held = Home(tmp_path / ".router")
    held.create()
    return held


def plan(*references: str, client_keys: tuple[str, ...] = ()) -> Plan:
    upstreams = {
        f"up{number}": Upstream(f"up{number}", "openai", "http://a/v1", (Wire.CHAT,), key=reference)
        for number, reference in enumerate(references)
    }
    return Plan("p", GatewaySettings(client_keys=client_keys), TranslatorSettings(), upstreams, ())


def test_secrets_that_can_be_had(home: Home):
    """Environment and file references become credentials; no key means no credential."""
    write_private(home.keys / "a.key", b"from-file\n")
    write_private(home.local_key, b"client\n")

    held = settle(
        plan("env:UP", "file:keys/a.key", "", client_keys=("file:keys/local.key",)),
        {"sandbox": "http://127.0.0.1:1"},
        home,
        {"UP": "from-env"},
    )

    assert {name: secret.reveal() for name, secret in held.credentials.items()} == {
        "up0": "from-env",
        "up1": "from-file",
    }
    assert [key.source for key in held.keys.named()] == ["file:keys/local.key"]
    assert held.keys.find("client") is not None
    assert held.problems == ()
    assert held.endpoints == {"sandbox": "http://127.0.0.1:1"}


def test_secrets_that_cannot(home: Home):
    """Each becomes a problem with a hint; the rest goes on working; no secret is in any text."""
    open_file = home.keys / "open.key"
    write_private(open_file, CANARY.encode())
    open_file.chmod(0o644)
    write_private(home.keys / "two.key", f"{CANARY}\n{CANARY}".encode())

    held = settle(
        plan("env:MISSING", "file:keys/open.key", "file:keys/two.key", CANARY, "env:GOOD", client_keys=("env:EMPTY",)),
        {},
        home,
        {"GOOD": "good", "EMPTY": " "},
    )

    assert list(held.credentials) == ["up4"]
    assert (held.keys.named(), held.keys.is_open) == ([], False)
    assert [problem.code for problem in held.problems] == [
        *(["secret.unavailable"] * 3),
        "secret.bad_reference",
        "secret.unavailable",
    ]
    assert all(problem.message and problem.hint for problem in held.problems)
    assert CANARY not in str([problem.as_json() for problem in held.problems]) + repr(held.credentials)


def test_a_translator_of_a_message(home: Home):
    """Its keys are held as a secret and as a digest."""
    held = settle(plan(), {}, home, {})
    message = {"generation": 3, "base_url": "http://127.0.0.1:1", "api_key": CANARY, "door_key": f"door-{CANARY}"}

    translator = translator_from(message, held)

    assert translator is not None
    assert (translator.generation, translator.base_url, translator.snapshot) == (3, "http://127.0.0.1:1", held)
    assert translator.api_key.reveal() == CANARY
    assert translator.door_digest == digest(f"door-{CANARY}")
    assert CANARY not in repr(translator)
    assert translator_from(None, held) is None
    with pytest.raises(KeyError):
        translator_from({"generation": 1}, held)
