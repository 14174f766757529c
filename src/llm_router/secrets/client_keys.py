"""Client keys: who may use the gateway, and how much. A key is shown once, when it is made; only its hash is kept.

    keys/clients.json   0600: `keys` made with `router key create`, and hashes that are `retiring` after a rotation
    keys/local.key      the key that bootstrap made, plain, because `router chat` and `router client env` show it

Keys hold 256 random bits, so one round of SHA-256 is enough: there is nothing to guess that a slow hash would protect.
"""

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from llm_router.errors import RouterError, UnknownName, UsageError
from llm_router.home import FILE_MODE, Home, HomeError, close_folder, explain, write_private
from llm_router.routing.limits import PRESETS, BadLimit, KeyLimits
from llm_router.secrets.keys import LOCAL_KEY
from llm_router.secrets.references import Reference, Store
from llm_router.secrets.secret import Secret
from llm_router.secrets.store import resolve

CLIENTS_SCHEMA = 1
APP, AGENT = "app", "agent"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RANDOM_BYTES = 32
_LONGEST_GRACE = 90 * 24 * 3600.0  # seconds


class BadClientKey(UsageError):
    """A client key's name, scope or grace cannot be used."""

    code = "key.bad"


class ClientKeyExists(UsageError):
    """There is a client key of that name."""

    code = "key.exists"


class ClientKeysDamaged(RouterError):
    """The file of the client keys cannot be read."""

    code = "key.store_damaged"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One client key, without the key. Empty scopes allow everything."""

    name: str
    sha256: str  # hexadecimal
    last4: str
    created_at: str  # ISO 8601, UTC; empty for a key that the configuration names
    preset: str
    limits: KeyLimits
    models: tuple[str, ...] = ()  # names or globs
    providers: tuple[str, ...] = ()
    source: str = ""  # the reference, for a key that the configuration names

    def allows_model(self, model: str) -> bool:
        """Whether the key may ask for this name."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def allows_provider(self, provider: str) -> bool:
        """Whether a candidate of this provider may answer."""
        return not self.providers or provider in self.providers

    def as_json(self) -> dict[str, object]:
        """What reading commands show: everything but the hash."""
        held = {**asdict(self), "models": list(self.models), "providers": list(self.providers)}
        del held["sha256"]
        return held


@dataclass(frozen=True, slots=True)
class Retiring:
    """The hash of a key that was rotated, good until a moment (seconds since the epoch)."""

    name: str
    sha256: str
    until: float


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """Every key that the gateway knows, by hash.

    `find` is one look into a table of hashes. That leaks nothing: who does not know a key cannot choose what it hashes
    to, and the table's own order is random in each process.
    """

    by_digest: Mapping[str, ClientKey] = field(default_factory=dict, repr=False)
    retiring: Mapping[str, tuple[ClientKey, float]] = field(default_factory=dict, repr=False)
    problems: tuple[RouterError, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether no key was ever asked for: none is configured and none was made."""
        return not self.by_digest and not self.problems

    def find(self, shown: str, now: float | None = None) -> ClientKey | None:
        """The client that showed this key, or None."""
        wanted = digest(shown)
        found = self.by_digest.get(wanted)
        if found is not None:
            return found if hmac.compare_digest(found.sha256, wanted) else None
        held = self.retiring.get(wanted)
        if held is None or (time.time() if now is None else now) >= held[1]:
            return None
        return held[0]

    def named(self) -> list[ClientKey]:
        """Every key, by name."""
        return sorted(self.by_digest.values(), key=lambda key: key.name)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new key shall be. `limits` overrides single numbers of the preset, by field name."""

    preset: str = APP
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)


def digest(shown: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()


def load_client_keys(home: Home, references: Sequence[str], environ: Mapping[str, str]) -> ClientKeys:
    """The stored keys and those that the plan names; what cannot be had is a problem, and the rest goes on working."""
    problems: list[RouterError] = []
    stored: list[ClientKey] = []
    retiring: list[Retiring] = []
    try:
        stored, retiring = _read(home)
    except RouterError as error:
        problems.append(error)
    named = []
    for reference in references:
        try:
            named.append(_from_reference(reference, resolve(reference, home=home, environ=environ)))
        except RouterError as error:
            problems.append(error)
    found = {key.sha256: key for key in (*named, *stored)}
    by_name = {key.name: key for key in (*named, *stored)}
    old = {one.sha256: (by_name[one.name], one.until) for one in retiring if one.name in by_name}
    return ClientKeys(found, old, tuple(problems))


def create_key(home: Home, name: str, wanted: Wanted, *, now: float | None = None) -> tuple[ClientKey, Secret]:
    """Make a key. Raises BadClientKey, ClientKeyExists, BadLimit, UnknownName, ClientKeysDamaged, HomeError."""
    if not _NAME.fullmatch(name):
        raise BadClientKey(
            "A client key's name is made of a-z, 0-9, `-` and `_`, at most 64 of them",
            hints=["For example `router key create laptop`"],
        )
    secret, held = _new_key(name, wanted, time.time() if now is None else now)
    with _editing(home) as (keys, retiring):
        if name in {key.name for key in keys} or home.keys.joinpath(f"{name}.key") == home.local_key:
            raise ClientKeyExists(
                f"There is a client key `{name}`",
                hints=[f"Run `router key rotate {name}` for a new one, or choose another name"],
                unharmed="Nothing was changed",
            )
        _write(home, [*keys, held], retiring)
    return held, secret


def revoke_key(home: Home, name: str) -> None:
    """Forget a key; whoever shows it is refused. Raises UnknownName, BadClientKey, ClientKeysDamaged, HomeError."""
    with _editing(home) as (keys, retiring):
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            if name == home.local_key.stem:
                raise BadClientKey(
                    f"`{name}` is the router's own key: `router chat` uses it",
                    hints=[f"Run `router key rotate {name}` to make the old one worthless"],
                    unharmed="Nothing was changed",
                )
            raise UnknownName("client key", name, [key.name for key in keys])
        _write(home, kept, [one for one in retiring if one.name != name])


def rotate_key(home: Home, name: str, *, grace: float, now: float | None = None) -> Secret:
    """Put a new key in a key's place; the old one is good for `grace` more seconds.

    Raises UnknownName, BadClientKey, ClientKeysDamaged, HomeError.
    """
    if not 0 <= grace <= _LONGEST_GRACE:
        raise BadClientKey("A grace is at most 90 days", unharmed="Nothing was changed")
    moment = time.time() if now is None else now
    with _editing(home) as (keys, retiring):
        secret = _random_key()
        held = next((key for key in keys if key.name == name), None)
        if held is not None:
            renewed = replace(held, sha256=digest(secret.reveal()), last4=secret.reveal()[-4:], created_at=_iso(moment))
            kept, old = [renewed if key is held else key for key in keys], held.sha256
        elif name == home.local_key.stem:
            kept, old = keys, digest(resolve(LOCAL_KEY, home=home, environ={}).reveal())
        else:
            raise UnknownName("client key", name, [key.name for key in keys] + [home.local_key.stem])
        still = [one for one in retiring if one.until > moment and (grace or one.name != name)]
        _write(home, kept, [*still, *([Retiring(name, old, moment + grace)] if grace else [])])
        if held is None:
            write_private(home.local_key, (secret.reveal() + "\n").encode())
    return secret


def _new_key(name: str, wanted: Wanted, now: float) -> tuple[Secret, ClientKey]:
    if wanted.preset not in PRESETS:
        raise UnknownName("preset", wanted.preset, PRESETS)
    for scope in (*wanted.models, *wanted.providers):
        if not scope or not scope.isprintable() or any(mark.isspace() for mark in scope):
            raise BadClientKey("A scope is a name or a glob without white space", unharmed="Nothing was changed")
    secret = _random_key()
    return secret, ClientKey(
        name=name,
        sha256=digest(secret.reveal()),
        last4=secret.reveal()[-4:],
        created_at=_iso(now),
        preset=wanted.preset,
        limits=replace(PRESETS[wanted.preset], **wanted.limits),
        models=wanted.models,
        providers=wanted.providers,
    )


def _random_key() -> Secret:
    return Secret(f"rk-{secrets.token_urlsafe(_RANDOM_BYTES)}")


def _from_reference(reference: str, secret: Secret) -> ClientKey:
    """A key that the configuration names is an agent's, called after its file, variable or entry."""
    parsed = Reference.parse(reference)
    place = PurePath(parsed.place)
    name = place.stem if parsed.store is Store.FILE else place.name.lower()
    shown = secret.reveal()
    # Who chose a key of eight characters must not find half of it in a listing.
    last4 = shown[-4:] if len(shown) >= 20 else ""
    return ClientKey(name, digest(shown), last4, "", AGENT, PRESETS[AGENT], source=reference)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _path(home: Home) -> Path:
    return home.keys / "clients.json"


def _read(home: Home) -> tuple[list[ClientKey], list[Retiring]]:
    path = _path(home)
    try:
        held = json.loads(path.read_bytes())
        if held["schema"] != CLIENTS_SCHEMA:
            raise ValueError(f"schema {held['schema']} is not {CLIENTS_SCHEMA}")
        retiring = [Retiring(str(one["name"]), str(one["sha256"]), float(one["until"])) for one in held["retiring"]]
        return [_client_key(one) for one in held["keys"]], retiring
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise ClientKeysDamaged(
            f"The client keys in `{path}` cannot be read: {explain(error)}", hints=[f"Run `chmod 600 {path}`"]
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, BadLimit) as error:
        raise ClientKeysDamaged(
            f"The client keys in `{path}` are damaged",
            hints=[f"Restore `{path}` from a backup, or move it away and make new keys with `router key create`"],
            unharmed="Nothing was changed",
        ) from error


def _client_key(held: dict[str, Any]) -> ClientKey:
    return ClientKey(
        name=str(held["name"]),
        sha256=str(held["sha256"]),
        last4=str(held["last4"]),
        created_at=str(held["created_at"]),
        preset=str(held["preset"]),
        limits=KeyLimits(**held["limits"]),
        models=tuple(map(str, held["models"])),
        providers=tuple(map(str, held["providers"])),
    )


def _write(home: Home, keys: Sequence[ClientKey], retiring: Sequence[Retiring]) -> None:
    rows = [{**key.as_json(), "sha256": key.sha256} for key in sorted(keys, key=lambda key: key.name)]
    for row in rows:
        del row["source"]
    body = {"schema": CLIENTS_SCHEMA, "keys": rows, "retiring": [asdict(one) for one in retiring]}
    write_private(_path(home), (json.dumps(body, indent=2) + "\n").encode())


@contextmanager
def _editing(home: Home) -> Iterator[tuple[list[ClientKey], list[Retiring]]]:
    """What is stored, while nobody else changes it."""
    path = home.keys / ".clients.lock"
    try:
        for folder in (home.root, home.keys):
            close_folder(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise HomeError(f"`{home.keys}` cannot be written: {explain(error)}", unharmed="Nothing was changed") from error
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _read(home)
