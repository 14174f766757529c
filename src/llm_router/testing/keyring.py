"""A keyring for machines without a desktop: reads `~/.test-keyring.json`. For tests: it hides nothing."""

import json
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

FILE = ".test-keyring.json"


class HomeFileKeyring(KeyringBackend):
    """Choose it with `PYTHON_KEYRING_BACKEND=llm_router.testing.keyring.HomeFileKeyring`.

    The file maps `service/entry` to a password.
    """

    priority = 0.1

    def get_password(self, service: str, username: str) -> str | None:
        """The password, or None."""
        return self._held().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a password."""
        self._keep({**self._held(), f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Forget a password. Raises PasswordDeleteError."""
        held = self._held()
        if held.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError(f"{service} has no {username}")
        self._keep(held)

    @staticmethod
    def _held() -> dict[str, str]:
        path = Path.home() / FILE
        held: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return held

    @staticmethod
    def _keep(held: dict[str, str]) -> None:
        path = Path.home() / FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(held))
