"""Fresh tokens: refreshed ahead of their end or after a 401, by one process at a time, never spending a token twice.

A rotating refresh token is spent by sending it. So before it is sent, the account on disk says that a refresh has
begun; the answer is on disk before anyone uses it. When a process dies, or the answer is lost, in between, the token
may be spent or not: then the access token is used up first, and only then the refresh token is tried once more.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from llm_router.accounts.account import Account, Trouble
from llm_router.accounts.drive import Driver
from llm_router.accounts.flow import Flow, NetworkLost, SignInFailed
from llm_router.accounts.grants import Granted, GrantRefused
from llm_router.accounts.kinds import refreshing
from llm_router.accounts.lock import held
from llm_router.accounts.store import AccountStore
from llm_router.errors import RouterError
from llm_router.secrets.secret import Secret

# After a failure the next attempt waits this long, as long as the access token is good.
PAUSE_AFTER_FAILURE = 300.0  # seconds
PAUSE_BETWEEN = 10.0  # seconds, when there is no good access token left
PATIENCE = 20.0  # seconds a refresh waits for a network that is gone
type Announce = Callable[[Account, str, str], None]  # the account, `success` or a failure's code, a sentence


class RefreshFailed(RouterError):
    """An account's tokens could not be refreshed now; trying later may help."""

    code = "account.refresh_failed"


class SignedOut(RouterError):
    """The provider has ended an account's sign-in; only signing in again helps."""

    code = "account.signed_out"


def announce_nothing(account: Account, result: str, detail: str) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Refresher:
    """Gives accounts with tokens that are good now. Blocks while it refreshes: run it in a thread.

    `clock`: seconds since the epoch; `jitter` draws from [0, 1).
    """

    store: AccountStore
    announce: Announce = announce_nothing
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    driver: Callable[[], Driver] = field(default=lambda: Driver(patience=PATIENCE))

    def fresh(self, name: str, *, refused: Secret | None = None, force: bool = False) -> Account:
        """The account with tokens that can be used now, refreshed first where that is due.

        `refused`: an access token that was answered with 401; it is refreshed once, if nobody has yet. `force`: now.
        Raises SignedOut, RefreshFailed, AccountBusy, UnknownName, and the errors of the sealed store.
        """
        seen = self.store.get(name)
        if not self._is_due(seen, refused, force=force):
            return self._usable(seen)
        with held(self.store.folder, name):
            account = self.store.get(name)
            # `force` means a refresh after now: one that another process made while we waited is that.
            forced = force and account.tokens.access == seen.tokens.access
            if not self._is_due(account, refused, force=forced):
                return self._usable(account)
            if not forced and self._failed_just_now(account):
                raise _failed(account, account.trouble.reason if account.trouble else "")
            return self._refreshed(account, must=forced or self._is_refused(account, refused))

    def _is_due(self, account: Account, refused: Secret | None, *, force: bool) -> bool:
        return force or self._is_refused(account, refused) or account.is_due(self.clock())

    def _failed_just_now(self, account: Account) -> bool:
        # Requests come by the hundred: each would send another refresh to a provider that does not answer.
        return account.trouble is not None and 0 <= self.clock() - account.trouble.at < PAUSE_BETWEEN

    @staticmethod
    def _is_refused(account: Account, refused: Secret | None) -> bool:
        return refused is not None and account.tokens.access == refused

    def _usable(self, account: Account) -> Account:
        if account.is_signed_out and not account.is_good(self.clock()):
            raise _signed_out(account)
        return account

    def _refreshed(self, account: Account, *, must: bool) -> Account:
        if account.is_signed_out or account.tokens.refresh is None:
            raise _signed_out(account)
        begun = replace(account, begun=self.clock()) if account.rotates else account
        if account.rotates:
            self.store.save(begun)
        try:
            granted = self._granted(refreshing(account))
        except SignInFailed as error:
            return self._failed(begun, error, must=must)
        renewed = account.renewed(granted, self.clock(), self.jitter())
        self.store.save(renewed)
        self.announce(renewed, "success", "")
        return renewed

    def _granted(self, flow: Flow[Granted]) -> Granted:
        return self.driver().run(flow)

    def _failed(self, account: Account, error: SignInFailed, *, must: bool) -> Account:
        now = self.clock()
        permanent = isinstance(error, GrantRefused) and error.permanent
        reason = error.reason if isinstance(error, GrantRefused) else error.code
        in_doubt = not isinstance(error, GrantRefused) and not (isinstance(error, NetworkLost) and not error.sent)
        failed = replace(
            account,
            trouble=Trouble(reason, now, permanent),
            begun=account.begun if in_doubt else None,
            tokens=replace(account.tokens, refresh_at=now + PAUSE_AFTER_FAILURE),
        )
        self.store.save(failed)
        self.announce(failed, reason, error.message)
        if permanent and (must or not failed.is_good(now)):
            raise _signed_out(failed) from error
        if must or not failed.is_good(now):
            raise _failed(account, reason) from error
        return failed


def _failed(account: Account, reason: str) -> RefreshFailed:
    return RefreshFailed(
        f"The account `{account.name}` could not be refreshed: `{reason}`",
        hints=[f"Run `router auth refresh {account.name}` when the provider can be reached"],
        unharmed="The account is as it was",
    )


def _signed_out(account: Account) -> SignedOut:
    reason = account.trouble.reason if account.trouble else "no refresh token"
    return SignedOut(
        f"The account `{account.name}` is signed out: `{reason}`",
        hints=[f"Run `router auth {account.kind} --label {account.label}` to sign in again"],
    )
