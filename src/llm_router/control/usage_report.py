"""What was used, by whom, and what it cost: the ledger's sums with what a reader must know about them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from llm_router.journal.ledger_queries import GroupBy, UsageSum, reading
from llm_router.journal.queries import BadAge, parse_age
from llm_router.providers.prices import PriceTable, PriceTableBroken, shipped_prices

_NOTHING = UsageSum("total")
# A spreadsheet takes a text that begins so for a formula; names come from clients.
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage by one thing since a moment (None: since ever), and what to know before relying on the numbers."""

    by: GroupBy
    since: datetime | None
    groups: tuple[UsageSum, ...]
    total: UsageSum
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The body of `router usage --json`."""
        return {
            "by": self.by.value,
            "since": self.since.isoformat(timespec="seconds") if self.since else None,
            "groups": [asdict(group) for group in self.groups],
            "total": asdict(self.total),
            "warnings": list(self.warnings),
        }

    def as_csv(self) -> str:
        """One line for each group under a line of names, without a line end after the last."""
        text = io.StringIO()
        names = [field.name for field in fields(UsageSum)]
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(group), "name": _unformulated(group.name)} for group in self.groups)
        return text.getvalue().rstrip("\n")


def usage_report(ledger: Path, by: GroupBy, since: datetime | None, today: date) -> UsageReport:
    """Add up the ledger. One that is not there yet is an empty answer. Raises LedgerUnreadable."""
    since_ms = int(since.timestamp() * 1000) if since else 0
    with reading(ledger) as reader:
        groups = tuple(reader.usage(by, since_ms)) if reader else ()
        total = reader.total(since_ms) if reader else _NOTHING
    return UsageReport(by, since, groups, total, tuple(_warnings(total, today)))


def parse_since(text: str, now: datetime | None = None) -> datetime | None:
    """`all`, an age such as `7d` or `4w`, or a day such as `2026-11-01` (its begin, here). Raises BadAge."""
    wanted = text.strip().lower()
    now = now or datetime.now(UTC)
    if wanted == "all":
        return None
    try:
        if wanted.endswith("w") and wanted[0].isdigit():
            return now - timedelta(weeks=float(wanted[:-1]))
        if wanted[:4].isdigit() and "-" in wanted:
            return datetime.fromisoformat(wanted).astimezone()
        return parse_age(wanted, now)
    except (ValueError, OverflowError, BadAge) as error:
        raise BadAge(
            f"`{text}` is neither an age nor a day", hints=["Write 90m, 24h, 7d, 4w, 2026-11-01 or all"]
        ) from error


def prices() -> tuple[PriceTable | None, str | None]:
    """The shipped prices, or why there are none."""
    try:
        return shipped_prices(), None
    except PriceTableBroken as error:
        return None, f"{error.message}: costs are recorded as unknown"


def _warnings(total: UsageSum, today: date) -> Iterator[str]:
    if not total.requests:
        return
    if total.unpriced:
        yield f"{total.unpriced} answers have no known price and are not in the cost; set one under `prices`"
    if total.estimated:
        yield f"The tokens of {total.estimated} answers are estimates: their upstream did not report them"
    if total.missing:
        yield f"The tokens of {total.missing} answers are not known and are not in the sums"
    table, broken = prices()
    warning = broken if table is None else table.stale(today)
    if warning:
        yield warning


def _unformulated(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA_MARKS) else name
