"""What a token endpoint grants, the codes with which it ends an account, and the proof that a code is ours."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_router.accounts.claims import Person
from llm_router.accounts.flow import Ask, BadAnswer, Flow, Reply, SignInFailed
from llm_router.secrets.secret import Secret

# A refresh token that is refused with one of these will never be good again.
PERMANENT = frozenset(
    {
        *("invalid_grant", "invalid_refresh_token", "token_expired", "refresh_token_expired"),
        *("refresh_token_invalidated", "refresh_token_reused", "unauthorized_client", "bad_credentials"),
        *("no_subscription", "revoked"),
    }
)


class GrantRefused(SignInFailed):
    """A token endpoint refused what it was shown. `permanent`: showing it again cannot help."""

    code = "sign_in.grant_refused"

    def __init__(self, reason: str, status: int) -> None:
        """`reason` is the server's error code, as far as it gave one."""
        self.reason = reason or f"status_{status}"
        self.permanent = reason in PERMANENT
        super().__init__(f"The provider refused: `{self.reason}`")


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens as a provider gave them. Times are in seconds from now."""

    access: Secret
    refresh: Secret | None = None
    id_token: Secret | None = None
    expires_in: float | None = None
    refresh_in: float | None = None
    refresh_expires_in: float | None = None
    scope: str = ""
    base_url: str = ""  # where the access token is good, when the provider says so


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A finished sign-in: what an account is made of."""

    kind: str
    granted: Granted
    person: Person
    origin: str = ""  # another server in the vendor's place
    client_id: str = ""
    notes: tuple[str, ...] = field(default=())


def token_request(url: str, form: Mapping[str, str], *, spends: bool = True) -> Ask:
    """A POST to a token endpoint."""
    return Ask("POST", url, headers={"accept": "application/json"}, form=form, spends=spends)


def ask_for_tokens(request: Ask, what: str) -> Flow[Granted]:
    """Send a token request and read the answer. Raises GrantRefused, BadAnswer."""
    reply: Reply = yield request
    return granted(reply, what)


def granted(reply: Reply, what: str) -> Granted:
    """Read the answer of a token endpoint. Raises GrantRefused, BadAnswer."""
    if 400 <= reply.status < 500 and (reply.error() in PERMANENT or reply.status in (400, 401, 403)):
        raise GrantRefused(reply.error(), reply.status)
    access = usable(reply.text("access_token"))
    if reply.status != 200 or access is None:
        raise BadAnswer(what, reply)
    return Granted(
        access=access,
        refresh=usable(reply.text("refresh_token")),
        id_token=usable(reply.text("id_token")),
        expires_in=reply.number("expires_in"),
        scope=reply.text("scope"),
    )


def usable(text: str) -> Secret | None:
    """A token that can stand in a header: one word of printable ASCII. None when it is not."""
    fine = text.isascii() and text.isprintable() and not any(letter.isspace() for letter in text)
    return Secret(text) if text and fine else None


@dataclass(frozen=True, slots=True)
class Proof:
    """PKCE: the secret behind a challenge, and the state and nonce that bind an answer to its question."""

    verifier: Secret
    state: str
    nonce: str

    @classmethod
    def of(cls, randomness: bytes) -> "Proof":
        """From 160 random bytes."""
        verifier, state, nonce = (encoded(part) for part in (randomness[:96], randomness[96:128], randomness[128:160]))
        return cls(Secret(verifier), state, nonce)

    @property
    def challenge(self) -> str:
        """S256 of the verifier."""
        return encoded(hashlib.sha256(self.verifier.reveal().encode()).digest())


def encoded(raw: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
