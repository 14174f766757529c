"""References: how configuration names a secret without holding it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from llm_router.errors import UsageError

_ENTRY = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FORMS = "`sealed:NAME`, `env:NAME`, `file:PATH` or `keyring:SERVICE/ENTRY`"


class Store(StrEnum):
    """Where a reference points."""

    ENV = "env"
    FILE = "file"
    KEYRING = "keyring"
    SEALED = "sealed"


class BadReference(UsageError):
    """A secret is named in a form that is not known, or stands in the configuration itself."""

    code = "secret.bad_reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference: the store, and the place in it (a name, a path or `SERVICE/ENTRY`)."""

    store: Store
    place: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read one of `FORMS`. Raises BadReference, which never repeats `text`."""
        scheme, colon, place = text.partition(":")
        if not colon or scheme not in tuple(Store):
            raise BadReference(
                f"a key is never written here itself; name it as {FORMS}",
                hints=["Store the key with `router secret set NAME`, then write the reference that it prints"],
            )
        reference = cls(Store(scheme), place)
        if problem := reference._problem():
            raise BadReference(problem)
        return reference

    def _problem(self) -> str:
        match self.store:
            case Store.ENV if not _VARIABLE.fullmatch(self.place):
                return "`env:` wants the name of an environment variable, as in `env:OPENAI_API_KEY`"
            case Store.FILE if not self.place.strip() or "\0" in self.place:
                return "`file:` wants a path, as in `file:keys/openai.key`"
            case Store.KEYRING if not all(self.keyring_parts()):
                return "`keyring:` wants a service and an entry, as in `keyring:llm-router/openai`"
            case Store.SEALED if not _ENTRY.fullmatch(self.place):
                return "`sealed:` wants the name of a sealed key, as in `sealed:openai`"
        return ""

    def keyring_parts(self) -> tuple[str, str]:
        """Service and entry of a `keyring:` reference."""
        service, _, entry = self.place.partition("/")
        return service, entry

    def __str__(self) -> str:
        """The reference as it is written."""
        return f"{self.store}:{self.place}"
