"""Client keys as commands change them: the file first, then what runs takes it, without a restart."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_router.control.activation import apply_to_running
from llm_router.errors import RouterError, UnknownName
from llm_router.home import Home
from llm_router.journal.events import EventLog
from llm_router.routing.plan import Plan
from llm_router.secrets import client_keys
from llm_router.secrets.client_keys import BadClientKey, ClientKey, ClientKeys, Wanted
from llm_router.secrets.keys import LOCAL_KEY
from llm_router.secrets.secret import Secret

APPLY_LIMIT = 60.0  # seconds
_DURATION = re.compile(r"(\d{1,9})\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

type Apply = Callable[[Home], Mapping[str, object] | None]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What became of a change. `problem`: why what runs did not take it; the file holds it all the same."""

    name: str
    secret: Secret | None = None
    key: ClientKey | None = None
    problem: str = ""


def tell_gateway(home: Home) -> Mapping[str, object] | None:
    """Have a running gateway read the keys again."""
    return apply_to_running(home, APPLY_LIMIT)


def all_keys(home: Home, environ: Mapping[str, str]) -> ClientKeys:
    """Every key that a gateway of this home knows: the stored ones, and those that the active plan names."""
    try:
        references = Plan.from_json(home.plan.read_bytes()).gateway.client_keys
    except (OSError, ValueError, KeyError, TypeError):
        references = (LOCAL_KEY,) if home.local_key.exists() else ()
    return client_keys.load_client_keys(home, references, environ)


def one_key(home: Home, name: str, environ: Mapping[str, str]) -> ClientKey:
    """The key of that name. Raises UnknownName, ClientKeysDamaged."""
    known = all_keys(home, environ)
    for key in known.named():
        if key.name == name:
            return key
    for problem in known.problems:
        if isinstance(problem, client_keys.ClientKeysDamaged):
            raise problem
    raise UnknownName("client key", name, [key.name for key in known.named()])


def create(home: Home, name: str, wanted: Wanted, *, apply: Apply = tell_gateway) -> KeyChange:
    """Make a key. Raises as `client_keys.create_key`."""
    key, secret = client_keys.create_key(home, name, wanted)
    return _applied("client_key_created", home, KeyChange(name, secret, key), apply)


def revoke(home: Home, name: str, *, apply: Apply = tell_gateway) -> KeyChange:
    """Forget a key. Raises as `client_keys.revoke_key`."""
    client_keys.revoke_key(home, name)
    return _applied("client_key_revoked", home, KeyChange(name), apply)


def rotate(home: Home, name: str, grace: str, *, apply: Apply = tell_gateway) -> KeyChange:
    """Put a new key in a key's place. Raises as `client_keys.rotate_key`."""
    secret = client_keys.rotate_key(home, name, grace=seconds(grace))
    return _applied("client_key_rotated", home, KeyChange(name, secret), apply)


def seconds(text: str) -> float:
    """`0`, `90s`, `10m`, `24h` or `7d` in seconds. Raises BadClientKey."""
    if text.strip() == "0":
        return 0.0
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise BadClientKey(f"`{text}` is not a time", hints=["Write 0, 90s, 10m, 24h or 7d"])
    return float(int(found[1]) * _SECONDS[found[2]])


def _applied(event: str, home: Home, change: KeyChange, apply: Apply) -> KeyChange:
    problem = ""
    try:
        apply(home)
    except RouterError as error:
        problem = error.message
    EventLog(home.events).write(event, result="failed" if problem else "success", detail=problem, key=change.name)
    return KeyChange(change.name, change.secret, change.key, problem)
