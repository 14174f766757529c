"""What the gateway asks for accounts: a credential that is good now, from whichever process refreshed it last."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from llm_router.accounts.account import Account
from llm_router.accounts.kinds import headers
from llm_router.accounts.refresh import Refresher
from llm_router.secrets.secret import Secret

type Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request to an account's provider needs. The token is good only below `base_url`: it goes nowhere else."""

    account: str
    kind: str
    base_url: str  # e.g. https://chatgpt.com/backend-api/codex, without a slash at its end
    access: Secret  # for `authorization: Bearer …`
    headers: dict[str, str]  # what else the endpoint wants; no secret
    expires_at: float  # seconds since the epoch
    priority: int
    weight: int
    paused: bool


@dataclass(slots=True)
class Keeper:
    """Credentials of accounts, for an event loop: nothing blocks it, and a token is read from disk once.

    Any number of tasks may ask at once, in any number of processes: one refresh is sent.
    """

    refresher: Refresher
    _seen: dict[str, tuple[Mark, Account]] = field(default_factory=dict, init=False, repr=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict, init=False, repr=False)

    async def credential(self, name: str, *, refused: Secret | None = None) -> Credential:
        """A credential that is good now. `refused`: the access token that was answered with 401.

        Raises SignedOut, RefreshFailed, AccountBusy, UnknownName, and the errors of the sealed store.
        """
        if (known := self._known(name, refused)) is not None:
            return _credential(known)
        async with self._locks.setdefault(name, asyncio.Lock()):
            if (known := self._known(name, refused)) is not None:
                return _credential(known)
            account = await asyncio.to_thread(self.refresher.fresh, name, refused=refused)
            if (mark := self._mark(name)) is not None:
                self._seen[name] = (mark, account)
            return _credential(account)

    def names(self) -> list[str]:
        """Every account there is now."""
        return self.refresher.store.names()

    async def refresh_due(self) -> None:
        """Refresh whatever is due, used or not; failures are announced, not raised. Call it about once a minute."""
        for name in await asyncio.to_thread(self.names):
            try:
                await self.credential(name)
            except Exception as error:  # noqa: BLE001 - one account's failure is told and keeps no other from its turn
                self._seen.pop(name, None)
                del error

    def _known(self, name: str, refused: Secret | None) -> Account | None:
        held = self._seen.get(name)
        if held is None or held[0] != self._mark(name):
            return None
        account, now = held[1], self.refresher.clock()
        due = account.is_due(now) or not account.is_good(now)
        return None if due or (refused is not None and account.tokens.access == refused) else account

    def _mark(self, name: str) -> Mark | None:
        """Changes with each replacement of the account's file."""
        try:
            found = Path(self.refresher.store.folder / f"{name}.sealed").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _credential(account: Account) -> Credential:
    return Credential(
        account=account.name,
        kind=account.kind,
        base_url=account.base_url,
        access=account.tokens.access,
        headers=headers(account),
        expires_at=account.tokens.expires_at,
        priority=account.priority,
        weight=account.weight,
        paused=account.paused,
    )
