"""What becomes of accounts once they are signed in: look, refresh, test, log out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from llm_router.accounts.account import DAY, Account
from llm_router.accounts.drive import Driver
from llm_router.accounts.flow import SignInFailed
from llm_router.accounts.grants import GrantRefused
from llm_router.accounts.kinds import checking, revoking
from llm_router.accounts.refresh import Refresher
from llm_router.accounts.store import AccountStore
from llm_router.errors import RouterError, UnknownName
from llm_router.home import Home
from llm_router.journal.events import EventLog

ANNOUNCED = 5 * DAY  # so long before its end an account's end is told


@dataclass(frozen=True, slots=True)
class Report:
    """One account as it stands; no token. Times are seconds since the epoch, None when they are not known."""

    name: str
    health: str  # ok, paused, failing, ending, signed_out or unreadable
    message: str = ""
    account: Account | None = None

    @property
    def is_well(self) -> bool:
        """Whether nobody has to do anything."""
        return self.health in ("ok", "paused")

    def as_json(self) -> dict[str, object]:
        """Everything but the tokens."""
        body: dict[str, object] = {"account": self.name, "health": self.health, "message": self.message}
        if (account := self.account) is None:
            return body
        return {
            **body,
            "kind": account.kind,
            "label": account.label,
            "email": account.person.email,
            "plan": account.person.plan,
            "base_url": account.base_url,
            "priority": account.priority,
            "weight": account.weight,
            "paused": account.paused,
            "signed_in_at": moment(account.signed_in_at),
            "access_expires_at": moment(account.tokens.expires_at),
            "refresh_expires_at": moment(account.tokens.refresh_expires_at),
            "last_refresh": moment(account.refreshed_at),
            "next_refresh": None if account.is_signed_out else moment(account.tokens.refresh_at),
            "notes": list(account.notes),
        }


@dataclass(frozen=True, slots=True)
class Proven:
    """How a test of an account ended, and what its provider said of the plan."""

    name: str
    result: str  # ok, or an error's code
    message: str = ""
    quota: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, object]:
        """The test as an object."""
        return {"account": self.name, "result": self.result, "message": self.message, "quota": self.quota}


def reports(home: Home, environ: Mapping[str, str], names: list[str]) -> list[Report]:
    """The named accounts, or all. Raises UnknownName."""
    store = AccountStore(home, environ)
    return [_report(store, name) for name in names or store.names()]


def refresh(home: Home, environ: Mapping[str, str], name: str) -> Account:
    """Refresh an account now. Raises SignedOut, RefreshFailed, AccountBusy, UnknownName."""
    return refresher(home, environ).fresh(name, force=True)


def refresher(home: Home, environ: Mapping[str, str]) -> Refresher:
    """A refresher that writes an event for each refresh."""
    events = EventLog(home.events)

    def announce(account: Account, result: str, detail: str) -> None:
        ended = "success" if result == "success" else "failed"
        ids = {"account": account.name, "reason": "" if ended == "success" else result}
        events.write("account_refresh", result=ended, provider=account.kind, detail=detail, **ids)

    return Refresher(AccountStore(home, environ), announce)


def prove(home: Home, environ: Mapping[str, str], name: str) -> Proven:
    """One call with an account's token that costs nothing. Raises UnknownName."""
    try:
        account = refresher(home, environ).fresh(name)
        answer = Driver(patience=0.0).run(checking(account))
    except UnknownName:
        raise
    except RouterError as error:
        result = error.reason if isinstance(error, GrantRefused) else error.code
        return Proven(name, result, error.message)
    return Proven(name, "ok", quota=_quota(account, answer))


def log_out(home: Home, environ: Mapping[str, str], name: str) -> str:
    """End an account at its provider where that is offered, then delete it here. Returns what is left to do.

    Raises UnknownName, HomeError.
    """
    store = AccountStore(home, environ)
    left = ""
    try:
        account = store.get(name)
        flow = revoking(account)
        if flow is None:
            left = f"The provider still lists this sign-in; end it in the settings of your {account.kind} account"
        elif not Driver(patience=0.0).run(flow):
            left = "The provider did not confirm that the sign-in is ended"
    except SignInFailed as error:
        left = f"The sign-in is not ended at the provider: {error.message}"
    except RouterError as error:
        if name not in store.names():
            raise
        left = f"The sign-in is not ended at the provider: {error.message}"
    store.remove(name)
    EventLog(home.events).write("oauth_logout", result="success", account=name)
    return left


def standing(account: Account, now: float) -> tuple[str, str]:
    """An account's health and one sentence about it."""
    again = f"run `router auth {account.kind} --label {account.label}`"
    end = account.tokens.refresh_expires_at
    if account.is_signed_out and account.trouble is not None:
        return "signed_out", f"signed out by the provider (`{account.trouble.reason}`); {again}"
    if account.tokens.refresh is None:
        return "ending", f"cannot be refreshed and ends {moment(account.tokens.expires_at)}; {again}"
    if end is not None and end - now < ANNOUNCED:
        return "ending", f"ends {moment(end)} unless it is refreshed before; {again}"
    if account.trouble is not None:
        good = "" if account.is_good(now) else ", and its access token has ended"
        return "failing", f"the last refresh failed (`{account.trouble.reason}`){good}"
    if account.begun is not None and now - account.begun > 120:
        return "failing", "a refresh was interrupted; it is tried again when the access token ends"
    return ("paused", "paused") if account.paused else ("ok", "")


def moment(seconds: float | None) -> str | None:
    """A time for people and machines: ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _report(store: AccountStore, name: str) -> Report:
    if name not in store.names():
        store.get(name)  # says which names there are
    try:
        account = store.get(name)
    except RouterError as error:
        return Report(name, "unreadable", error.message)
    return Report(name, *standing(account, time.time()), account)


def _quota(account: Account, answer: Mapping[str, Any]) -> dict[str, Any]:
    wanted = ("plan_type", "rate_limit", "credits", "copilot_plan", "quota_snapshots", "quota_reset_date")
    held = {name: answer[name] for name in wanted if name in answer}
    if "models" in answer and isinstance(answer["models"], list):
        held["models"] = len(answer["models"])
    return {"kind": account.kind, **held}
