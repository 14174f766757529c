"""One signed-in account as a value: whom it belongs to, its tokens, when they end, and how it is to be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llm_router.accounts.claims import Person, lifetime_of
from llm_router.accounts.grants import Granted, SignedIn
from llm_router.errors import RouterError
from llm_router.providers.identity import CHATGPT, CODEX, ChatgptIdentity, CodexIdentity, CopilotIdentity
from llm_router.secrets.secret import Secret

ACCOUNT_SCHEMA = 1
DAY = 24 * 3600.0
LONGEST_LEAD = 5 * DAY  # so early a refresh begins, where the token lives long enough
USUAL_LIFETIME = 3600.0  # seconds, when a provider does not say
SPARE = 30.0  # seconds that a token must still be good for to be given out
ROTATES = (CODEX, CHATGPT)  # kinds whose refresh token is good for one use


class AccountDamaged(RouterError):
    """The file of an account does not hold an account."""

    code = "account.damaged"


@dataclass(frozen=True, slots=True)
class Tokens:
    """An account's tokens. Times are seconds since the epoch, by this machine's clock."""

    access: Secret
    refresh: Secret | None
    obtained_at: float
    expires_at: float
    refresh_at: float  # when the next refresh is due
    refresh_expires_at: float | None = None

    @classmethod
    def of(cls, granted: Granted, now: float, jitter: float) -> "Tokens":
        """From a grant. `jitter` in [0, 1) spreads the refreshes of many accounts."""
        said = granted.expires_in
        lifetime = said if said is not None else lifetime_of(granted.access.reveal()) or USUAL_LIFETIME
        lead = (min(LONGEST_LEAD, lifetime / 2) if lifetime > DAY else lifetime / 6) * (1 + jitter / 4)
        due = lifetime - lead if granted.refresh_in is None else max(granted.refresh_in * (1 - jitter / 10) - 60, 1.0)
        end = granted.refresh_expires_in
        return cls(
            access=granted.access,
            refresh=granted.refresh,
            obtained_at=now,
            expires_at=now + lifetime,
            refresh_at=now + due,
            refresh_expires_at=now + end if end is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last refresh failed. `permanent`: only a new sign-in helps."""

    reason: str
    at: float
    permanent: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `begun` is when a refresh was sent whose end is not known: its token may be spent."""

    name: str
    kind: str
    label: str
    person: Person
    tokens: Tokens
    signed_in_at: float
    base_url: str
    origin: str = ""
    client_id: str = ""
    refreshed_at: float | None = None
    begun: float | None = None
    trouble: Trouble | None = None
    priority: int = 0
    weight: int = 1
    paused: bool = False
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, name: str, label: str, signed_in: SignedIn, now: float, jitter: float) -> "Account":
        """A new account from a finished sign-in."""
        return cls(
            name=name,
            kind=signed_in.kind,
            label=label,
            person=signed_in.person,
            tokens=Tokens.of(signed_in.granted, now, jitter),
            signed_in_at=now,
            base_url=signed_in.granted.base_url or identity(signed_in.kind, signed_in.origin).base_url,
            origin=signed_in.origin,
            client_id=signed_in.client_id,
            notes=signed_in.notes,
        )

    @property
    def rotates(self) -> bool:
        """Whether a refresh spends the refresh token."""
        return self.kind in ROTATES

    @property
    def is_signed_out(self) -> bool:
        """Whether only a new sign-in helps."""
        return self.trouble is not None and self.trouble.permanent

    def is_good(self, now: float) -> bool:
        """Whether the access token can be given out."""
        return now + SPARE < self.tokens.expires_at

    def is_due(self, now: float) -> bool:
        """Whether a refresh is due. One whose end is not known is tried again only when the access token is used up."""
        if self.is_signed_out:
            return False
        return not self.is_good(now) or (self.begun is None and now >= self.tokens.refresh_at)

    def renewed(self, granted: Granted, now: float, jitter: float) -> "Account":
        """With the tokens of a refresh; a provider that sends no new refresh token leaves the old one good."""
        tokens = Tokens.of(granted, now, jitter)
        if tokens.refresh is None:
            tokens = replace(tokens, refresh=self.tokens.refresh, refresh_expires_at=self.tokens.refresh_expires_at)
        base_url = granted.base_url or self.base_url
        return replace(self, tokens=tokens, base_url=base_url, refreshed_at=now, begun=None, trouble=None)

    def as_json(self) -> dict[str, Any]:
        """Everything, tokens in clear: what is sealed."""
        tokens = self.tokens
        return {
            "schema": ACCOUNT_SCHEMA,
            **{name: getattr(self, name) for name in _PLAIN},
            "person": {name: getattr(self.person, name) for name in ("email", "plan", "account_id", "subject")},
            "notes": list(self.notes),
            "trouble": None
            if self.trouble is None
            else {"reason": self.trouble.reason, "at": self.trouble.at, "permanent": self.trouble.permanent},
            "tokens": {
                **{name: getattr(tokens, name) for name in _TIMES},
                "access": tokens.access.reveal(),
                "refresh": tokens.refresh.reveal() if tokens.refresh else None,
            },
        }


_PLAIN = (
    *("name", "kind", "label", "signed_in_at", "base_url", "origin", "client_id", "refreshed_at", "begun"),
    *("priority", "weight", "paused"),
)
_TIMES = ("obtained_at", "expires_at", "refresh_at", "refresh_expires_at")


def account_from(held: Mapping[str, Any], name: str) -> Account:
    """An account from what `Account.as_json` gave. Raises AccountDamaged."""
    try:
        if held["schema"] != ACCOUNT_SCHEMA:
            raise ValueError(held["schema"])
        tokens, trouble = held["tokens"], held["trouble"]
        refresh = tokens["refresh"]
        return Account(
            person=Person(**held["person"]),
            tokens=Tokens(
                access=Secret(tokens["access"]),
                refresh=Secret(refresh) if refresh is not None else None,
                **{time: tokens[time] for time in _TIMES},
            ),
            trouble=Trouble(**trouble) if trouble is not None else None,
            notes=tuple(held["notes"]),
            **{part: held[part] for part in _PLAIN},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        # No cause is chained: its text may hold what stood in the file.
        raise AccountDamaged(
            f"The account `{name}` cannot be read: its file holds something else",
            hints=["Sign in again, or remove it with `router auth logout`"],
            unharmed="Nothing was changed",
        ) from None


def identity(kind: str, origin: str) -> CodexIdentity | ChatgptIdentity | CopilotIdentity:
    """Where accounts of a kind sign in and refresh."""
    match kind:
        case "codex":
            return CodexIdentity(origin)
        case "chatgpt":
            return ChatgptIdentity(origin)
        case "copilot":
            return CopilotIdentity(origin)
    raise ValueError(kind)
