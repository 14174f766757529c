"""An identity token that is checked: signature, issuer, audience, time and nonce. Pure, but for the cipher."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_router.accounts.claims import decoded, read_claims
from llm_router.accounts.flow import SignInFailed
from llm_router.secrets.secret import Secret

# A clock may be this wrong before a token that was made just now seems to be of another time.
SKEW = 24 * 3600.0  # seconds


class IdentityNotProven(SignInFailed):
    """An identity token is not what the provider would have signed for us."""

    code = "sign_in.identity_not_proven"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a good token says. `now` in seconds since the epoch."""

    issuer: str
    client_id: str
    nonce: str
    now: float


def verified(token: Secret, keys: Mapping[str, Any], expected: Expected) -> dict[str, Any]:
    """The claims of a token that proves what it says. Raises IdentityNotProven."""
    text = token.reveal()
    claims = read_claims(text)
    audience = claims.get("aud")
    expires = claims.get("exp")
    checks = {
        "signature": _is_signed(text, keys),
        "issuer": str(claims.get("iss", "")).rstrip("/") == expected.issuer,
        "audience": audience in (expected.client_id, [expected.client_id]),
        "time": isinstance(expires, int | float) and expires + SKEW > expected.now,
        "nonce": hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()),
    }
    if wrong := [name for name, good in checks.items() if not good]:
        raise IdentityNotProven(f"The provider's identity token does not hold: wrong {', '.join(wrong)}")
    return claims


def _is_signed(token: str, keys: Mapping[str, Any]) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        head, body, signature = token.split(".")
        described = json.loads(decoded(head))
        if described.get("alg") != "RS256":
            return False
        for key in keys.get("keys", []):
            if key.get("kty") == "RSA" and key.get("kid") == described.get("kid"):
                modulus, exponent = (int.from_bytes(decoded(key[part])) for part in ("n", "e"))
                public = RSAPublicNumbers(exponent, modulus).public_key()
                public.verify(decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
                return True
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
        return False
    return False
