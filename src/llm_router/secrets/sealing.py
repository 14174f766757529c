"""Sealing: authenticated encryption of one entry under a master key. Values in, values out; no file, no keyring.

A sealed entry is one JSON object: `schema`, `key` (which master key), `nonce` and `sealed` (base64). The entry's name
and the key's id are authenticated with it, so a file that was renamed, or taken from another entry, does not open.
"""

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass

from llm_router.errors import RouterError, UsageError
from llm_router.secrets.secret import Secret

SEALED_SCHEMA = 1
KEY_BYTES = 32
_NONCE_BYTES = 12
_ID_LENGTH = 16  # hexadecimal digits


class BadMasterKey(UsageError):
    """A master key that was given is not one."""

    code = "secret.bad_master_key"

    def __init__(self, where: str) -> None:
        """`where` says who gave it; the key itself is not repeated."""
        super().__init__(
            f"The master key in {where} is not 32 random bytes in base64",
            hints=["Make one with `openssl rand -base64 32`"],
            unharmed="Nothing was read or written",
        )


class SealedDamaged(RouterError):
    """A sealed file was changed, cut short, or belongs to another entry."""

    code = "secret.sealed_damaged"

    def __init__(self, name: str) -> None:
        """`name` is the entry's."""
        super().__init__(
            f"The sealed entry `{name}` is damaged",
            hints=["Restore its file from a backup, or store the secret (or sign in) again"],
            unharmed="Nothing was changed",
        )


@dataclass(frozen=True, slots=True)
class MasterKey:
    """256 random bits, and an id that says which they are without saying what they are."""

    text: Secret  # base64

    @classmethod
    def make(cls) -> "MasterKey":
        """A new key from the system's randomness."""
        return cls(Secret(base64.b64encode(os.urandom(KEY_BYTES)).decode()))

    @classmethod
    def parse(cls, text: str, where: str) -> "MasterKey":
        """Read a key as it is stored. Raises BadMasterKey, which names `where`."""
        key = cls(Secret(text.strip().replace("-", "+").replace("_", "/").rstrip("=") + "="))
        try:
            usable = len(key.raw()) == KEY_BYTES
        except (ValueError, binascii.Error):
            usable = False
        if not usable:
            raise BadMasterKey(where)
        return key

    def raw(self) -> bytes:
        """The key's bytes, for the cipher."""
        return base64.b64decode(self.text.reveal(), validate=True)

    @property
    def id(self) -> str:
        """Which key this is: 16 hexadecimal digits of a digest."""
        return hashlib.sha256(b"llm-router master key id\0" + self.raw()).hexdigest()[:_ID_LENGTH]


def seal(key: MasterKey, name: str, content: bytes) -> bytes:
    """The sealed form of `content` for the entry `name`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key.raw()).encrypt(nonce, content, _bound(key.id, name))
    body = {"schema": SEALED_SCHEMA, "key": key.id, "nonce": _text(nonce), "sealed": _text(sealed)}
    return json.dumps(body).encode() + b"\n"


def unseal(key: MasterKey, name: str, held: bytes) -> bytes:
    """What was sealed for the entry `name`. Raises SealedDamaged."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        body = json.loads(held)
        nonce, sealed = (base64.b64decode(str(body[part]), validate=True) for part in ("nonce", "sealed"))
        return AESGCM(key.raw()).decrypt(nonce, sealed, _bound(key.id, name))
    except (InvalidTag, ValueError, KeyError, TypeError, OverflowError):
        raise SealedDamaged(name) from None


def key_of(name: str, held: bytes) -> str:
    """The id of the master key that an entry was sealed with. Raises SealedDamaged."""
    try:
        body = json.loads(held)
        if body["schema"] != SEALED_SCHEMA:
            raise SealedDamaged(name)
        found = str(body["key"])
    except (ValueError, KeyError, TypeError):
        raise SealedDamaged(name) from None
    if len(found) != _ID_LENGTH or not set(found) <= set("0123456789abcdef"):
        raise SealedDamaged(name)
    return found


def _bound(key_id: str, name: str) -> bytes:
    return f"llm-router sealed {SEALED_SCHEMA}\0{key_id}\0{name}".encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
