"""Keys: weak, old, unreadable; never shown."""

import time
from dataclasses import replace

from llm_router.doctor.checks import keys_old, keys_weak, secrets_keyring, secrets_unavailable
from llm_router.doctor.finding import Severity
from llm_router.home import write_private
from llm_router.secrets.client_keys import Wanted, create_key

ACCOUNT = {"kind": "openai", "base_url": "https://api.example.com/v1"}


def with_key(patient, reference: str) -> None:
    patient.configure({"providers": {"sandbox": {"kind": "sandbox"}, "o": {**ACCOUNT, "key": reference}}})


def test_weak(patient):
    """Short ones, and long ones that repeat themselves; the key itself is not in the finding."""
    assert keys_weak.examine(patient.context()) is None
    for weak in ("open-sesame", "abababababababababababab"):
        write_private(patient.home.local_key, weak.encode())
        found = keys_weak.examine(patient.context())
        assert found is not None
        assert found.fix == "router key rotate local"
        assert weak not in str(found)


def test_old(patient):
    """After a year, and only for information."""
    create_key(patient.home, "laptop", Wanted())
    assert keys_old.examine(patient.context()) is None
    patient.machine = replace(patient.machine, wall=lambda: time.time() + 400 * 86400)
    found = keys_old.examine(patient.context())

    assert found is not None
    assert (found.severity, found.evidence) == (Severity.INFO, ("laptop: 400 days",))


def test_unavailable(patient):
    """The setting, the reason, and the command to run."""
    with_key(patient, "file:keys/o.key")
    found = secrets_unavailable.examine(patient.context())
    assert found is not None
    assert found.evidence[0].startswith("providers.o.key: The secret `file:keys/o.key` is not there")
    assert found.fix == "router secret set o --plain"

    write_private(patient.home.keys / "o.key", b"a-key")
    assert secrets_unavailable.examine(patient.context()) is None


def test_keyring(patient):
    """Asked for only when it is named; no entry of it is read."""
    patient.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    assert secrets_keyring.examine(patient.context()) is None
    with_key(patient, "keyring:llm-router/o")
    found = secrets_keyring.examine(patient.context())
    assert found is not None
    assert found.cause == "PYTHON_KEYRING_BACKEND chooses no keyring at all"

    patient.environ["PYTHON_KEYRING_BACKEND"] = "llm_router.testing.keyring.HomeFileKeyring"
    assert secrets_keyring.examine(patient.context()) is None
