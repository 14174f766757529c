"""Where master keys come from: given by the environment or by systemd, kept in the keyring, or in a file by request.

    LLM_ROUTER_MASTER_KEY                             one key, or several with commas: the first seals, all open
    $CREDENTIALS_DIRECTORY/llm-router-master-key      the same, from a systemd credential
    keyring: llm-router/master-<id>                   made when the first secret is sealed
    <home>/sealed/master-<id>.key                     made by `--store file`: 0600, beside what it opens

`<home>/sealed/current.json` says which of the kept keys seals. Each sealed file names its own key, so a key can be
replaced step by step without a moment in which something does not open.
"""

import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from llm_router.errors import RouterError
from llm_router.home import Home, HomeError, explain, write_private
from llm_router.secrets import ring
from llm_router.secrets.sealing import MasterKey

VARIABLE = "LLM_ROUTER_MASTER_KEY"
CREDENTIALS = "CREDENTIALS_DIRECTORY"
CREDENTIAL = "llm-router-master-key"
WAYS_OUT = (
    "Unlock or install a keyring (e.g. gnome-keyring), then run the command again",
    f"Or give a master key from `openssl rand -base64 32`: as the systemd credential `{CREDENTIAL}`, or in {VARIABLE}",
    "Or run the command again with `--store file`: the master key is then kept in a 0600 file beside what it opens",
)
_OPEN_TO_OTHERS = 0o077


class KeptIn(StrEnum):
    """Where the router keeps a master key that it made itself."""

    KEYRING = "keyring"
    FILE = "file"


class NoEncryption(RouterError):
    """Nothing can be sealed: no master key is given, and there is no keyring to keep one in."""

    code = "secret.no_encryption"


class MasterKeyMissing(RouterError):
    """The master key that an entry was sealed with cannot be had."""

    code = "secret.master_key_missing"


@dataclass(slots=True)
class MasterKeys:
    """The master keys of one home. Keys that were found are remembered for the life of the value."""

    home: Home
    environ: Mapping[str, str]
    _found: dict[str, MasterKey] = field(default_factory=dict, init=False, repr=False)

    def for_opening(self, key_id: str) -> MasterKey:
        """The key of this id. Raises MasterKeyMissing, BadMasterKey."""
        if key_id in self._found:
            return self._found[key_id]
        found = next((key for key in self.given() if key.id == key_id), None) or self._kept(key_id)
        self._found[key_id] = found
        return found

    def for_sealing(self, wanted: KeptIn | None = None) -> MasterKey:
        """The key that seals; made and kept when there is none yet. `wanted` asks for a place by name.

        Call it while nobody else changes the folder. Raises NoEncryption, MasterKeyMissing, BadMasterKey.
        """
        given = self.given()
        if given and wanted is None:
            return given[0]
        current = self._current()
        if current is not None and wanted in (None, current[1]):
            return self.for_opening(current[0])
        return self.replace(wanted or KeptIn.KEYRING)

    def replace(self, kept_in: KeptIn, retiring: Iterable[str] = ()) -> MasterKey:
        """Make a new key, keep it, and let it seal from now on; `retiring` are the ids of those it replaces.

        Raises NoEncryption, HomeError.
        """
        key = MasterKey.make()
        if kept_in is KeptIn.FILE:
            write_private(self._file(key.id), key.text.reveal().encode() + b"\n")
        else:
            try:
                ring.write(_entry(key.id), key.text.reveal())
            except ring.KeyringUnusable as error:
                raise NoEncryption(
                    f"{error.message}, so nothing can be encrypted",
                    hints=WAYS_OUT,
                    unharmed="Nothing was stored",
                ) from None
        replaced = self._current()
        self._mark(key.id, kept_in, {*retiring, *self.retiring(), *([replaced[0]] if replaced else [])})
        self._found[key.id] = key
        return key

    def retiring(self) -> set[str]:
        """The ids of kept keys that were replaced and may still have to be deleted."""
        held = self._marked()
        return {str(one) for one in held.get("retiring", [])} if held else set()

    def retire(self, left: Iterable[str]) -> None:
        """Remember only these as still to be deleted. Raises HomeError."""
        current = self._current()
        if current is not None:
            self._mark(*current, set(left))

    def _mark(self, key_id: str, kept_in: KeptIn, retiring: set[str]) -> None:
        held = {"schema": 1, "key": key_id, "store": kept_in, "retiring": sorted(retiring - {key_id})}
        write_private(self._marker, json.dumps(held).encode() + b"\n")

    def kept_in(self) -> KeptIn | None:
        """Where the key that seals is kept, or None when it is given from outside or not made yet."""
        current = self._current()
        return None if self.given() or current is None else current[1]

    def forget(self, key_id: str) -> None:
        """Delete a key that nothing is sealed with any more. Raises KeyringUnusable, HomeError."""
        self._found.pop(key_id, None)
        try:
            self._file(key_id).unlink(missing_ok=True)
        except OSError as error:
            raise HomeError(f"`{self._file(key_id)}` cannot be removed: {explain(error)}") from error
        ring.forget(_entry(key_id))

    def given(self) -> list[MasterKey]:
        """The keys given from outside, in their order. Raises BadMasterKey, HomeError."""
        keys = [MasterKey.parse(part, VARIABLE) for part in _parts(self.environ.get(VARIABLE, ""))]
        if folder := self.environ.get(CREDENTIALS, ""):
            path = Path(folder) / CREDENTIAL
            if path.exists():
                keys += [MasterKey.parse(part, f"the credential `{CREDENTIAL}`") for part in _parts(_read(path))]
        return keys

    def _kept(self, key_id: str) -> MasterKey:
        path = self._file(key_id)
        if path.exists():
            return MasterKey.parse(_read_private(path), f"`{path}`")
        try:
            held = ring.read(_entry(key_id))
        except ring.KeyringUnusable as error:
            raise MasterKeyMissing(
                f"The master key `{key_id}` is neither given nor in a file, and {_lower_first(error.message)}",
                hints=["Unlock the keyring", f"Or give the master key in {VARIABLE} or as `{CREDENTIAL}`"],
            ) from error
        if held is None:
            raise MasterKeyMissing(
                f"The master key `{key_id}` is not in this keyring, and it is not given",
                hints=[
                    f"Give it in {VARIABLE} or as the systemd credential `{CREDENTIAL}`",
                    "If it is lost, store the secrets and sign in again: nothing can open the old ones",
                ],
            )
        return MasterKey.parse(held, "the keyring")

    def _current(self) -> tuple[str, KeptIn] | None:
        held = self._marked()
        return (str(held["key"]), KeptIn(held["store"])) if held else None

    def _marked(self) -> dict[str, Any] | None:
        try:
            held = json.loads(self._marker.read_bytes())
            KeptIn(held["store"])
            return {"retiring": [], "key": str(held["key"]), **held}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MasterKeyMissing(
                f"`{self._marker}` is damaged",
                hints=[f"Restore it from a backup, or remove `{self._marker}`: the next secret then makes a new key"],
            ) from error

    @property
    def _marker(self) -> Path:
        return self.home.sealed / "current.json"

    def _file(self, key_id: str) -> Path:
        return self.home.sealed / f"master-{key_id}.key"


def _entry(key_id: str) -> str:
    return f"master-{key_id}"


def _parts(text: str) -> Iterator[str]:
    return (part for part in text.replace(",", " ").split() if part)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise HomeError(f"`{path}` cannot be read", hints=["Mend its owner and mode"]) from error


def _read_private(path: Path) -> str:
    if stat.S_IMODE(path.stat().st_mode) & _OPEN_TO_OTHERS:
        raise MasterKeyMissing(f"`{path}` is not private: others may read it", hints=[f"Run `chmod 600 {path}`"])
    return _read(path)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
