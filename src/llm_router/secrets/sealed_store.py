"""The sealed store: one encrypted file for each entry under `<home>/sealed/`, 0600 from the first byte.

An entry's name is `NAME` (a key, `sealed:NAME` in router.yaml) or `FOLDER/NAME` (what a room of the house keeps there).
Everything that writes holds `sealed/.lock`, so a key is never replaced under someone's hands.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llm_router.errors import RouterError, UnknownName
from llm_router.home import FILE_MODE, Home, HomeError, close_folder, explain, write_private
from llm_router.secrets.master_keys import CREDENTIAL, VARIABLE, KeptIn, MasterKeyMissing, MasterKeys
from llm_router.secrets.ring import KeyringUnusable
from llm_router.secrets.sealing import MasterKey, key_of, seal, unseal
from llm_router.secrets.secret import Secret

SUFFIX = ".sealed"
NAME = re.compile(r"(?:[a-z0-9][a-z0-9_-]{0,31}/)?[a-z0-9][a-z0-9_-]{0,63}")
LARGEST = 256 * 1024


class CannotRotate(RouterError):
    """The master key is given from outside, so whoever gives it has to give the new one."""

    code = "secret.cannot_rotate"


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: entries under the new key, and old keys that could not be deleted."""

    entries: int
    left: tuple[str, ...] = ()


@dataclass(slots=True)
class SealedStore:
    """The entries of one home. Holds no open file."""

    home: Home
    environ: Mapping[str, str]
    keys: MasterKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = MasterKeys(self.home, self.environ)

    def ready(self, wanted: KeptIn | None = None) -> None:
        """Make sure that something can be sealed now.

        Raises NoEncryption, MasterKeyMissing, BadMasterKey, HomeError.
        """
        with self.locked():
            self.keys.for_sealing(wanted)

    def put(self, name: str, value: Secret, wanted: KeptIn | None = None) -> bool:
        """Seal `value` as the entry `name`; readers see the old one or the new. Returns whether it replaced one.

        Raises NoEncryption, MasterKeyMissing, BadMasterKey, HomeError.
        """
        path = self.path(name)
        with self.locked():
            key = self.keys.for_sealing(wanted)
            _closed(path.parent)
            replaced = path.exists()
            write_private(path, seal(key, name, value.reveal().encode()))
        return replaced

    def get(self, name: str) -> Secret:
        """The value of an entry. Raises UnknownName, SealedDamaged, MasterKeyMissing, BadMasterKey, HomeError."""
        held = self._read(name)
        try:
            key = self.keys.for_opening(key_of(name, held))
        except MasterKeyMissing:
            # A rotation may have ended between the two looks: then the file names another key now.
            held_now = self._read(name)
            if held_now == held:
                raise
            held, key = held_now, self.keys.for_opening(key_of(name, held_now))
        return Secret(unseal(key, name, held).decode())

    def remove(self, name: str) -> None:
        """Delete an entry. Raises UnknownName, HomeError."""
        with self.locked():
            try:
                self.path(name).unlink()
            except FileNotFoundError:
                raise UnknownName("sealed entry", name, self.names()) from None
            except OSError as error:
                raise HomeError(f"The sealed entry `{name}` cannot be removed: {explain(error)}") from error

    def names(self, folder: str = "") -> list[str]:
        """The names in one folder of the store, in alphabetical order."""
        place = self.home.sealed / folder
        return sorted(
            f"{folder}/{path.stem}" if folder else path.stem
            for path in place.glob(f"*{SUFFIX}")
            if NAME.fullmatch(path.stem)
        )

    def path(self, name: str) -> Path:
        """The file of an entry. Raises UnknownName for a name that cannot be one."""
        if not NAME.fullmatch(name):
            raise UnknownName("sealed entry", name, self.names())
        return self.home.sealed / f"{name}{SUFFIX}"

    def rotate(self) -> Rotation:
        """Seal every entry with a new key, then delete the old ones. What was interrupted is finished by the next run.

        With a key that is given from outside, everything is sealed with the first of the keys given.
        Raises CannotRotate, NoEncryption, MasterKeyMissing, SealedDamaged, HomeError.
        """
        with self.locked():
            names = self._every_name()
            before = {name: key_of(name, self._read(name)) for name in names}
            for old in set(before.values()):
                self.keys.for_opening(old)  # all must open before anything is changed
            new = self._next_key(set(before.values()))
            for name in names:
                held = self._read(name)
                content = unseal(self.keys.for_opening(before[name]), name, held)
                write_private(self.path(name), seal(new, name, content))
            return Rotation(len(names), self._forget_all_but(new.id, set(before.values())))

    def _next_key(self, used: set[str]) -> MasterKey:
        given = self.keys.given()
        if not given:
            return self.keys.replace(self.keys.kept_in() or KeptIn.KEYRING, retiring=used)
        if used <= {given[0].id}:
            raise CannotRotate(
                "The master key is given from outside, and everything is sealed with the first one given",
                hints=[
                    f"Put a new key before the old one in {VARIABLE} or in the credential `{CREDENTIAL}`: `NEW,OLD`",
                    "Then run `router secret rotate-key` and take the old one away",
                ],
                unharmed="Nothing was changed",
            )
        return given[0]

    def _forget_all_but(self, kept: str, used: set[str]) -> tuple[str, ...]:
        given = {key.id for key in self.keys.given()}
        left = []
        for old in sorted((used | self.keys.retiring()) - given - {kept}):
            try:
                self.keys.forget(old)
            except (KeyringUnusable, HomeError):
                left.append(old)
        self.keys.retire(left)
        return tuple(left)

    def _every_name(self) -> list[str]:
        folders = sorted(path.name for path in self.home.sealed.iterdir() if path.is_dir())
        return [*self.names(), *(name for folder in folders for name in self.names(folder))]

    def _read(self, name: str) -> bytes:
        path = self.path(name)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
                return file.read(LARGEST)
        except FileNotFoundError:
            raise UnknownName("sealed entry", name, self.names()) from None
        except OSError as error:
            raise HomeError(f"`{path}` cannot be read: {explain(error)}", hints=[f"Run `chmod 600 {path}`"]) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the store meanwhile. Raises HomeError."""
        for folder in (self.home.root, self.home.sealed):
            _closed(folder)
        path = self.home.sealed / ".lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise HomeError(f"`{path}` cannot be written: {explain(error)}", unharmed="Nothing was changed") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _closed(folder: Path) -> None:
    try:
        close_folder(folder)
    except OSError as error:
        raise HomeError(f"`{folder}` cannot be made private: {explain(error)}") from error
