"""What the simulated identity provider does, is told, and has given out; and the tokens that it signs."""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(slots=True)
class Behaviour:
    """How the provider's person and its servers behave. Times in seconds."""

    pending: int = 1  # polls before the person has confirmed
    slow_downs: int = 0  # polls answered with `slow_down` before anything else
    outcome: str = "approve"  # or `deny`, `expire`
    interval: int = 1
    code_lifetime: int = 900
    access_lifetime: int = 864_000
    skew: int = 0  # how far the provider's clock is ahead
    device_codes: bool = True
    subscription: bool = True
    plan_scope: bool = True
    refusal: str = ""  # the error code that the next refreshes are answered with
    email: str = "ada@example.com"
    login: str = "ada"
    account_id: str = "acct-1"

    def now(self) -> int:
        """The provider's clock."""
        return int(time.time()) + self.skew


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: JSON, or bytes."""

    status: int
    body: dict[str, Any] | bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(slots=True)
class Issued:
    """Everything that was given out. `secrets` lists each token and code once given, for a search of leaks."""

    secrets: list[str] = field(default_factory=list)
    access: set[str] = field(default_factory=set)
    refresh: dict[str, str] = field(default_factory=dict)  # token -> family
    spent: dict[str, str] = field(default_factory=dict)  # token -> family
    dead_families: set[str] = field(default_factory=set)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # code -> what it is bound to
    devices: dict[str, int] = field(default_factory=dict)  # device -> polls so far
    refreshes: int = 0  # that succeeded
    reuses: int = 0  # refresh tokens that were shown a second time

    def secret(self, prefix: str) -> str:
        """A new random token, remembered."""
        made = f"{prefix}-{secrets.token_urlsafe(24)}"
        self.secrets.append(made)
        return made


@cache
def signing_key() -> Any:  # noqa: ANN401 - the library is imported when it is needed
    """The key that identity tokens are signed with in this process."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(public_exponent=65537, key_size=2048)


def token(claims: dict[str, Any]) -> str:
    """A JSON web token, signed."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    head = _encoded(json.dumps({"alg": "RS256", "kid": "one", "typ": "JWT"}).encode())
    body = _encoded(json.dumps(claims).encode())
    signature = signing_key().sign(f"{head}.{body}".encode(), PKCS1v15(), SHA256())
    return f"{head}.{body}.{_encoded(signature)}"


def public_keys() -> dict[str, Any]:
    """The keys that identity tokens are checked with."""
    numbers = signing_key().public_key().public_numbers()
    modulus, exponent = (_encoded(part.to_bytes((part.bit_length() + 7) // 8)) for part in (numbers.n, numbers.e))
    return {"keys": [{"kty": "RSA", "kid": "one", "alg": "RS256", "n": modulus, "e": exponent}]}


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
