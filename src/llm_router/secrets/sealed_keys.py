"""Keys that the configuration names, sealed: what `router secret` does when it encrypts."""

from collections.abc import Mapping
from dataclasses import dataclass

from llm_router.errors import UnknownName
from llm_router.home import Home
from llm_router.secrets.keys import reference_to, remove_key, store_key, stored_keys, usable
from llm_router.secrets.master_keys import KeptIn
from llm_router.secrets.sealed_store import SealedStore
from llm_router.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a key is now: the reference to write, and whether it took another's place.

    `also_plain` names the unencrypted file of the same name that is still there.
    """

    reference: str
    replaced: bool
    also_plain: str = ""


def sealed_reference(name: str) -> str:
    """The reference to write in the configuration for the sealed key `name`."""
    return f"sealed:{name}"


def store_sealed(
    home: Home, environ: Mapping[str, str], name: str, value: Secret, wanted: KeptIn | None = None
) -> Stored:
    """Seal a key. Raises BadKey, NoEncryption, MasterKeyMissing, BadMasterKey, HomeError."""
    replaced = SealedStore(home, environ).put(name, usable(name, value), wanted)
    also = f"keys/{name}.key" if name in stored_keys(home) else ""
    return Stored(sealed_reference(name), replaced, also)


def store_plain(home: Home, name: str, value: Secret) -> Stored:
    """Keep a key in a private file, unencrypted, because the user asked for it. Raises BadKey, HomeError."""
    replaced = store_key(home, name, value)
    return Stored(reference_to(name), replaced)


def references(home: Home) -> list[tuple[str, str]]:
    """Name and reference of each stored key, sealed or plain, by name."""
    sealed = [(name, sealed_reference(name)) for name in SealedStore(home, {}).names()]
    return sorted([*sealed, *((name, reference_to(name)) for name in stored_keys(home))])


def remove(home: Home, name: str) -> None:
    """Delete a key wherever it is stored. Raises UnknownName, BadKey, HomeError."""
    known = references(home)
    kinds = {reference.partition(":")[0] for held, reference in known if held == name}
    if not kinds:
        raise UnknownName("stored key", name, sorted({held for held, _ in known}))
    if "sealed" in kinds:
        SealedStore(home, {}).remove(name)
    if "file" in kinds:
        remove_key(home, name)
