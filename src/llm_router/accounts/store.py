"""The accounts of one home: one sealed file each, replaced as a whole."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from llm_router.accounts.account import Account, AccountDamaged, account_from
from llm_router.accounts.claims import Person
from llm_router.accounts.grants import SignedIn
from llm_router.accounts.lock import held
from llm_router.errors import RouterError, UnknownName, UsageError
from llm_router.home import Home, write_private
from llm_router.secrets.sealed_store import SealedStore
from llm_router.secrets.secret import Secret

FOLDER = "accounts"
LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class BadLabel(UsageError):
    """A label cannot be part of an account's name."""

    code = "account.bad_label"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a sign-in: the account, and whether it took the place of an earlier one of the same person."""

    account: Account
    replaced: bool


@dataclass(slots=True)
class AccountStore:
    """Reads and writes accounts. Holds no open file; master keys that were found are remembered."""

    home: Home
    environ: Mapping[str, str]
    sealed: SealedStore = field(init=False)

    def __post_init__(self) -> None:
        self.sealed = SealedStore(self.home, self.environ)

    @property
    def folder(self) -> Path:
        """Where the files and the locks of accounts are."""
        return self.home.sealed / FOLDER

    def names(self) -> list[str]:
        """The names of all accounts, in alphabetical order."""
        return [name.removeprefix(f"{FOLDER}/") for name in self.sealed.names(FOLDER)]

    def get(self, name: str) -> Account:
        """One account. Raises UnknownName, AccountDamaged, SealedDamaged, MasterKeyMissing, BadMasterKey, HomeError."""
        if not self._is_there(name):
            raise UnknownName("account", name, self.names())
        text = self.sealed.get(f"{FOLDER}/{name}").reveal()
        try:
            held_now = json.loads(text)
        except ValueError:
            raise AccountDamaged(f"The account `{name}` cannot be read") from None
        return account_from(held_now, name)

    def save(self, account: Account) -> None:
        """Keep an account in the place of what was there. Raises NoEncryption, MasterKeyMissing, HomeError."""
        self.sealed.put(f"{FOLDER}/{account.name}", Secret(json.dumps(account.as_json())))

    def remove(self, name: str) -> None:
        """Delete an account. Raises UnknownName, HomeError."""
        if not self._is_there(name):
            raise UnknownName("account", name, self.names())
        with held(self.folder, name):
            self.sealed.remove(f"{FOLDER}/{name}")

    def keep(self, signed_in: SignedIn, label: str, now: float, jitter: float) -> Kept:
        """Keep a finished sign-in under a name of its own; one of the same person is replaced, with its settings.

        Raises BadLabel, NoEncryption, MasterKeyMissing, HomeError.
        """
        with held(self.folder, "naming"):
            name, label = self._name(signed_in, label)
            with held(self.folder, name):
                before = self._settings(name)
                account = Account.of(name, label, signed_in, now, jitter)
                if before is not None:
                    kept = {part: getattr(before, part) for part in ("priority", "weight", "paused")}
                    account = replace(account, **kept)
                replaced = self._is_there(name)
                self.save(account)
        return Kept(account, replaced)

    def change(self, name: str, change: Callable[[Account], Account]) -> Account:
        """Change an account while nobody else does. Raises what `get` and `save` raise, and AccountBusy."""
        with held(self.folder, name):
            changed = change(self.get(name))
            self.save(changed)
        return changed

    def host_id(self) -> str:
        """A stable name of this home for providers that ask for one: `urn:uuid:…`. Raises HomeError."""
        path = self.folder / "host-id"
        with held(self.folder, "naming"):
            if not path.exists():
                write_private(path, f"{uuid.uuid4().urn}\n".encode())
        return path.read_text().strip()

    def client_id(self, kind: str, label: str) -> str:
        """The client id that an earlier sign-in of this label was issued; empty when there is none."""
        found = self._settings(f"{kind}-{label}") if label else None
        return found.client_id if found else ""

    def _name(self, signed_in: SignedIn, label: str) -> tuple[str, str]:
        base = check_label(label) if label else _slug(signed_in.person)
        for number in range(1, 1000):
            wanted = base if number == 1 else f"{base}-{number}"
            name = f"{signed_in.kind}-{wanted}"
            other = self._settings(name)
            if not self._is_there(name) or (other is not None and other.person.is_same(signed_in.person)):
                return name, wanted
        raise BadLabel(f"There are too many accounts called `{base}`", hints=["Give another name with `--label`"])

    def _settings(self, name: str) -> Account | None:
        try:
            return self.get(name)
        except RouterError:
            return None

    def _is_there(self, name: str) -> bool:
        return name in self.names()


def check_label(label: str) -> str:
    """The label, if it can be part of a name. Raises BadLabel."""
    if not LABEL.fullmatch(label):
        raise BadLabel("A label is made of a-z, 0-9 and `-`, at most 32", hints=["For example `--label work`"])
    return label


def _slug(person: Person) -> str:
    source = person.email.partition("@")[0] or person.account_id or person.subject
    found = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")[:32].strip("-")
    return found or "account"
