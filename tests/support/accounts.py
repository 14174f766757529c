"""Accounts for tests: values, and a home with a master key of its own."""

from dataclasses import dataclass, field
from pathlib import Path

from llm_router.accounts.account import Account
from llm_router.accounts.claims import Person
from llm_router.accounts.grants import Granted, SignedIn
from llm_router.accounts.store import AccountStore
from llm_router.home import Home
from llm_router.secrets.sealing import MasterKey
from llm_router.secrets.secret import Secret

ADA = Person("ada@example.com", "plus", "acct-1", "user-1")


def signed_in(access: str = "access-0", refresh: str | None = "refresh-0", **changed) -> SignedIn:
    """A finished sign-in; `changed` are other members of `SignedIn` or of `Granted`."""
    granted = Granted(
        access=Secret(access),
        refresh=Secret(refresh) if refresh is not None else None,
        expires_in=changed.pop("expires_in", 3600.0),
        refresh_expires_in=changed.pop("refresh_expires_in", None),
    )
    return SignedIn(**{"kind": "codex", "granted": granted, "person": ADA, **changed})


def account(name: str = "codex-ada", now: float = 0.0, **changed) -> Account:
    """An account made of `signed_in`."""
    return Account.of(name, "ada", signed_in(**changed), now, 0.0)


@dataclass
class Vault:
    """A home under `folder` and the environment that opens it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.environ = {"LLM_ROUTER_MASTER_KEY": MasterKey.make().text.reveal(), **self.environ}

    @property
    def home(self) -> Home:
        return Home(self.folder / ".router")

    def store(self) -> AccountStore:
        """A store as another process would open it."""
        return AccountStore(self.home, self.environ)
