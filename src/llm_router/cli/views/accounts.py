"""How accounts look: their health, and why one would be chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def account_lines(rows: Sequence[Row]) -> list[str]:
    """A table: account, state, failures in a row, when it may be tried again, and why."""
    if not rows:
        return ["There are no accounts"]
    wide = max(len(str(row["account"])) for row in rows)
    head = f"{'ACCOUNT':<{wide}}  {'STATE':<9}  {'FAILURES':<8}  {'NEXT TRY':<12}  REASON"
    return [head, *(f"{row['account']:<{wide}}  {_rest(row)}".rstrip() for row in rows)]


def explain_lines(told: Row) -> list[str]:
    """The candidates of a model in the order in which they would be asked, then those that are skipped."""
    rows: Sequence[Row] = told["candidates"]
    head = f"{told['model']} in the {told['wire']} format, profile {told['profile']} ({told['strategy']})"
    if not rows:
        return [head, "  no candidate: no alias, pattern or provider has this name"]
    wide = max(len(str(row["candidate"])) for row in rows)
    return [head, *(_candidate(row, wide) for row in rows)]


def _candidate(row: Row, wide: int) -> str:
    place = f"{row['place']}." if row["chosen"] and row["place"] else "–"
    lane = f" ({row['lane']} lane)" if row["chosen"] and row["lane"] else ""
    return f"  {place:<3} {row['candidate']:<{wide}}  {row['reason']}{lane}"


def _rest(row: Row) -> str:
    wait = row["next_chance"]
    chance = "by hand only" if wait is None else "now" if not wait else f"in {_duration(float(wait))}"
    reason = str(row["reason"]) if row["state"] != "healthy" or row["failures"] else ""
    if not row["usable"]:
        reason = "its key cannot be read, or what serves it does not run"
    return f"{row['state']:<9}  {row['failures']:<8}  {chance:<12}  {reason}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
