"""Rows that are read a few at a time while requests go on changing them."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

_SLICE = 256


class Roll[Row]:
    """Rows by name. What comes and goes while somebody reads is put in force when the reading ends."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._later: dict[str, Row | None] | None = None  # None unless somebody reads

    def __len__(self) -> int:
        """How many are in force."""
        return len(self._rows)

    def put(self, name: str, row: Row) -> None:
        """Add a row, or replace it."""
        if self._later is None:
            self._rows[name] = row
        else:
            self._later[name] = row

    def drop(self, name: str) -> None:
        """Take a row away, if it is there."""
        if self._later is None:
            self._rows.pop(name, None)
        else:
            self._later[name] = None

    @contextmanager
    def reading(self) -> Iterator[Iterator[list[tuple[str, Row]]]]:
        """The rows in slices, one reader at a time. Each slice costs the same, however many rows there are."""
        self._later = {}
        try:
            yield self._slices()
        finally:
            later, self._later = self._later, None
            for name, row in later.items():
                if row is None:
                    self._rows.pop(name, None)
                else:
                    self._rows[name] = row

    def _slices(self) -> Iterator[list[tuple[str, Row]]]:
        rows = iter(self._rows.items())
        while some := list(islice(rows, _SLICE)):
            yield some
