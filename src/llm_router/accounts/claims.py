"""What an identity token says about a person. It is read without trust: for labels and times, never for access."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

LONGEST = 100
_OPENAI = "https://api.openai.com/auth"
_PROFILE = "https://api.openai.com/profile"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an account belongs to, as the provider's token says. Any of it may be empty."""

    email: str = ""
    plan: str = ""
    account_id: str = ""
    subject: str = ""

    def is_same(self, other: "Person") -> bool:
        """Whether both are one account of one person."""
        mine, theirs = (self.account_id, self.subject or self.email), (other.account_id, other.subject or other.email)
        return mine == theirs and any(mine)


def read_claims(token: str) -> dict[str, Any]:
    """The claims in a JSON web token, unverified; empty when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        held = json.loads(decoded(parts[1]))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def decoded(part: str) -> bytes:
    """Base64 of URLs, without padding. Raises ValueError."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def person_of(claims: dict[str, Any]) -> Person:
    """Labels from an OpenAI identity token."""
    ours, profile = _object(claims, _OPENAI), _object(claims, _PROFILE)
    return Person(
        email=label(claims.get("email") or profile.get("email")),
        plan=label(ours.get("chatgpt_plan_type")),
        account_id=label(ours.get("chatgpt_account_id")),
        subject=label(claims.get("sub") or ours.get("chatgpt_user_id") or ours.get("user_id")),
    )


def lifetime_of(token: str) -> float | None:
    """How long a token was issued for, in seconds: the difference of two times of its issuer, so no clock matters."""
    claims = read_claims(token)
    issued, expires = claims.get("iat"), claims.get("exp")
    if isinstance(issued, int | float) and isinstance(expires, int | float) and expires > issued:
        return float(expires - issued)
    return None


def label(held: object) -> str:
    """Text for people: printable ASCII (it goes to terminals and into headers), bounded; empty when it is no text."""
    if not isinstance(held, str):
        return ""
    return "".join(letter for letter in held if letter.isascii() and letter.isprintable())[:LONGEST]


def _object(claims: dict[str, Any], name: str) -> dict[str, Any]:
    held = claims.get(name)
    return held if isinstance(held, dict) else {}
