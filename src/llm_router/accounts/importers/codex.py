"""Takes an account over from the Codex CLI's own `auth.json`."""

import json
import os
from pathlib import Path
from typing import Any

from llm_router.accounts.claims import Person, person_of, read_claims
from llm_router.accounts.flow import as_number
from llm_router.accounts.grants import Granted, SignedIn, usable
from llm_router.errors import RouterError
from llm_router.home import explain
from llm_router.providers.identity import CODEX, CodexIdentity
from llm_router.secrets.secret import Secret

LARGEST = 1024 * 1024
WARNING = (
    "The refresh token in this file is good for one use: the first of the two programs that refreshes signs the other "
    "out. Keep one: sign out of Codex and use it through the router, or sign in here anew with `router auth codex`"
)


class ImportFailed(RouterError):
    """A file of another program holds no account that can be taken over."""

    code = "account.import_failed"


def usual_source(environ_home: str) -> Path:
    """Where the Codex CLI keeps its sign-in; `environ_home` is CODEX_HOME, if set."""
    return (Path(environ_home) if environ_home else Path.home() / ".codex") / "auth.json"


def read(source: Path, origin: str, now: float) -> SignedIn:
    """The account in an `auth.json`; `now` in seconds since the epoch.

    Raises ImportFailed, which repeats nothing of the file.
    """
    tokens = _tokens(source)
    access, refresh, shown = (usable(_text(tokens, name)) for name in ("access_token", "refresh_token", "id_token"))
    if access is None or refresh is None:
        raise _failed(source, "has no access token and refresh token")
    person = person_of(read_claims((shown or access).reveal()))
    account_id = person.account_id or _text(tokens, "account_id")
    at = CodexIdentity(origin)
    named = Person(person.email, person.plan, account_id, person.subject)
    return SignedIn(
        CODEX, Granted(access=access, refresh=refresh, expires_in=_left(access, now)), named, origin, at.client_id
    )


def _left(access: Secret, now: float) -> float | None:
    expires = as_number(read_claims(access.reveal()).get("exp"))
    return max(0.0, expires - now) if expires is not None else None


def _tokens(source: Path) -> dict[str, Any]:
    try:
        with open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = file.read(LARGEST)
    except FileNotFoundError:
        raise _failed(source, "is not there; Codex may keep its sign-in in the keyring") from None
    except OSError as error:
        raise _failed(source, f"cannot be read: {explain(error)}") from None
    try:
        held = json.loads(content)
    except (ValueError, RecursionError):
        raise _failed(source, "is cut short, or is not Codex's") from None
    tokens = held.get("tokens") if isinstance(held, dict) else None
    if not isinstance(tokens, dict):
        only_key = isinstance(held, dict) and bool(held.get("OPENAI_API_KEY"))
        raise _failed(source, "holds an API key only" if only_key else "holds no sign-in")
    return tokens


def _text(tokens: dict[str, Any], name: str) -> str:
    held = tokens.get(name)
    return held if isinstance(held, str) else ""


def _failed(source: Path, reason: str) -> ImportFailed:
    return ImportFailed(
        f"`{source}` {reason}",
        hints=["Name another file with `--source`, or sign in with `router auth codex`"],
        unharmed="Nothing was stored",
    )
