"""A secret value that cannot be printed, logged, serialised or pickled by accident."""

import hmac
from typing import Never

MASK = "***"


class Secret:
    """Text that shows itself only through `reveal`. Compares in constant time; not hashable."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """`value` is the secret itself."""
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that sends or compares it."""
        return self._value

    def matches(self, text: str | bytes) -> bool:
        """Whether `text` is this secret, in time that does not depend on where they differ."""
        given = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        return hmac.compare_digest(self._value.encode("utf-8", "surrogatepass"), given)

    def __eq__(self, other: object) -> bool:
        """Equal to a secret of the same value, never to plain text."""
        return self.matches(other._value) if isinstance(other, Secret) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # a hash would let a table show which secrets are equal

    def __repr__(self) -> str:
        """`Secret('***')`, whatever it holds."""
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        """`***`, whatever it holds."""
        return MASK

    def __format__(self, specification: str) -> str:
        """`***`, laid out as the specification asks."""
        return format(MASK, specification)

    def __copy__(self) -> "Secret":
        """Itself: it never changes."""
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        """Itself: it never changes."""
        return self

    def __reduce_ex__(self, protocol: object) -> Never:
        """Refused: a pickled secret is a secret in a file. Raises TypeError."""
        raise TypeError("a Secret cannot be pickled")
