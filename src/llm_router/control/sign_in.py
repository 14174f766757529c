"""Signing in and taking over accounts: what `router auth codex|copilot|chatgpt` and the management API do."""

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_router.accounts.drive import Driver
from llm_router.accounts.flow import Flow, SignInFailed
from llm_router.accounts.flows import chatgpt, codex_device, codex_pkce, copilot_device
from llm_router.accounts.grants import SignedIn
from llm_router.accounts.importers import codex as codex_file
from llm_router.accounts.kinds import version
from llm_router.accounts.store import AccountStore, Kept, check_label
from llm_router.errors import RouterError, UsageError
from llm_router.home import Home
from llm_router.journal.events import EventLog
from llm_router.providers.identity import (
    CHATGPT,
    CODEX,
    COPILOT,
    ORIGIN_VARIABLES,
    ChatgptIdentity,
    CodexIdentity,
    CopilotIdentity,
    is_private_way,
)

_RANDOM_BYTES = 160


class BadOrigin(UsageError):
    """An identity provider's address cannot be used."""

    code = "sign_in.bad_origin"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sign-in that someone asks for. `browser`: by PKCE on this machine, where the kind offers a choice."""

    kind: str
    label: str = ""
    browser: bool = False


def sign_in(home: Home, environ: Mapping[str, str], wanted: Wanted, driver: Driver) -> Kept:
    """Sign in and keep the account. Before anything is asked, it is made sure that tokens can be stored.

    Raises BadLabel, BadOrigin, NoEncryption, and SignInFailed in all its kinds.
    """
    store = _prepared(home, environ, wanted.label)
    flow = _flow(store, wanted, origin_of(wanted.kind, environ))
    events = EventLog(home.events)
    try:
        kept = store.keep(driver.run(flow), wanted.label, time.time(), random.random())  # noqa: S311 - spreads refreshes
    except KeyboardInterrupt:
        events.write("oauth_login", result="cancelled", provider=wanted.kind)
        raise
    except SignInFailed as error:
        events.write("oauth_login", result=error.status, provider=wanted.kind, detail=error.code)
        raise
    except RouterError as error:
        events.write("oauth_login", result="failed", provider=wanted.kind, detail=error.code)
        raise
    events.write("oauth_login", result="success", provider=wanted.kind, account=kept.account.name)
    return kept


def take_over(home: Home, environ: Mapping[str, str], source: Path | None, label: str) -> Kept:
    """Keep the account in a Codex CLI's auth.json. Raises BadLabel, ImportFailed, NoEncryption."""
    store = _prepared(home, environ, label)
    found = source or codex_file.usual_source(environ.get("CODEX_HOME", ""))
    now = time.time()
    signed_in = codex_file.read(found, origin_of(CODEX, environ), now)
    kept = store.keep(signed_in, label, now, random.random())  # noqa: S311 - spreads refreshes
    EventLog(home.events).write("auth_import", result="success", provider=CODEX, account=kept.account.name)
    return kept


def origin_of(kind: str, environ: Mapping[str, str]) -> str:
    """Another server in a vendor's place, as the environment names it. Raises BadOrigin."""
    variable = ORIGIN_VARIABLES[kind]
    origin = environ.get(variable, "").rstrip("/")
    if origin and not is_private_way(origin):
        raise BadOrigin(
            f"{variable} must be an https address, or http on this machine, without a user name",
            hints=[f"Unset {variable} to sign in at the vendor's own address"],
        )
    return origin


def _prepared(home: Home, environ: Mapping[str, str], label: str) -> AccountStore:
    if label:
        check_label(label)
    home.create()
    store = AccountStore(home, environ)
    store.sealed.ready()
    return store


def _flow(store: AccountStore, wanted: Wanted, origin: str) -> Flow[SignedIn]:
    if wanted.kind == CODEX and wanted.browser:
        return codex_pkce.sign_in(CodexIdentity(origin), time.time, os.urandom(_RANDOM_BYTES))
    if wanted.kind == CODEX:
        return codex_device.sign_in(CodexIdentity(origin), time.time)
    if wanted.kind == CHATGPT:
        machine = chatgpt.Machine(store.host_id(), store.client_id(CHATGPT, wanted.label))
        return chatgpt.sign_in(ChatgptIdentity(origin), time.time, os.urandom(_RANDOM_BYTES), machine)
    if wanted.kind == COPILOT:
        return copilot_device.sign_in(CopilotIdentity(origin), time.time, version())
    raise ValueError(wanted.kind)
