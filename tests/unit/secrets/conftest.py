"""A keyring in memory, which a test can lock or make forgetful."""

from dataclasses import dataclass, field

import keyring
import keyring.backend
import keyring.errors
import pytest


@dataclass
class Ring:
    """What the keyring of a test holds, and what is wrong with it."""

    held: dict = field(default_factory=dict)
    broken: Exception | None = None
    forgets: bool = False


class RingBackend(keyring.backend.KeyringBackend):
    """Stands in for the desktop's keyring."""

    priority = 0.1

    def __init__(self, ring):
        super().__init__()
        self.ring = ring

    def get_password(self, service, username):
        self._check()
        return self.ring.held.get((service, username))

    def set_password(self, service, username, password):
        self._check()
        if not self.ring.forgets:
            self.ring.held[service, username] = password

    def delete_password(self, service, username):
        self._check()
        if self.ring.held.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError

    def _check(self):
        if self.ring.broken:
            raise self.ring.broken


@pytest.fixture
def ring():
    before = keyring.get_keyring()
    held = Ring()
    keyring.set_keyring(RingBackend(held))
    yield held
    keyring.set_keyring(before)
