"""How `router usage` reads: one line a group, as many columns as fit, and a bar in what is left."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llm_router.control.usage_report import UsageReport
from llm_router.journal.ledger_queries import GroupBy, UsageSum

_UNNAMED = {
    GroupBy.ACCOUNT: "(nobody answered)",
    GroupBy.KEY: "(no key)",
    GroupBy.SESSION: "(no session)",
    GroupBy.MODEL: "(no model)",
}
_LONGEST_NAME = 40
_LONGEST_BAR = 40
_SHORTEST_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: its text, and the bar behind it."""

    text: str
    bar: str = ""


def usage_lines(report: UsageReport, width: int, *, bars: bool) -> Iterator[Line]:
    """The table for a terminal of `width` columns; `bars` adds the bars."""
    if not report.groups:
        yield Line("Nothing has been recorded yet" if report.since is None else "Nothing was recorded in this time")
        return
    rows = [*report.groups, report.total]
    names = [*(_name(report.by, group) for group in report.groups), "total"]
    longest = min(max(map(len, [*names, report.by.value])), max(10, min(_LONGEST_NAME, width // 3)))
    columns = _columns_that_fit(rows, width - longest)
    shown = [_cells(rows, write) for _, write in columns]
    widths = [max(len(head), *map(len, cells)) for (head, _), cells in zip(columns, shown, strict=True)]
    heads = (f"  {head:>{wide}}" for (head, _), wide in zip(columns, widths, strict=True))
    yield Line(f"{report.by.value.upper():<{longest}}{''.join(heads)}")
    room = min(width - longest - sum(wide + 2 for wide in widths) - 2, _LONGEST_BAR)
    measure = _measure(report.total)
    most = max(map(measure, report.groups))
    for index, (name, row) in enumerate(zip(names, rows, strict=True)):
        cells = "".join(f"  {column[index]:>{wide}}" for column, wide in zip(shown, widths, strict=True))
        wanted = bars and room >= _SHORTEST_BAR and index < len(report.groups)
        yield Line(f"{_cut(name, longest):<{longest}}{cells}", "  " + bar(measure(row), most, room) if wanted else "")


def bar(value: float, most: float, width: int) -> str:
    """A bar of at most `width` columns, exact to an eighth of one; what is not nothing shows."""
    eighths = round(width * 8 * value / most) if most > 0 else 0
    if value > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def short(count: float) -> str:
    """A count in at most five characters: 950, 1.2k, 34k, 5.6M."""
    for step, letter in _STEPS:
        if count >= step * 0.9995:
            scaled = count / step
            return f"{scaled:.1f}{letter}" if scaled < 9.95 else f"{scaled:.0f}{letter}"
    return f"{count:.0f}"


def dollars(amount: float) -> str:
    """Money, with as many digits as make a difference."""
    return f"${amount:.2f}" if amount >= 0.995 or amount == 0 else f"${amount:.4f}"


_ALL_COLUMNS: tuple[tuple[str, Callable[[UsageSum], str]], ...] = (
    ("COST", lambda row: dollars(row.cost_usd) + ("?" if row.unpriced else "")),
    ("REQUESTS", lambda row: short(row.requests)),
    ("OUTPUT", lambda row: short(row.output)),
    ("INPUT", lambda row: short(row.input)),
    ("FAILED", lambda row: short(row.failed) if row.failed else "-"),
    ("CACHED", lambda row: short(row.cached) if row.cached else "-"),
)
# As they stand on the screen; in the tuple above the most telling stands first, to be dropped last.
_ORDER = ("REQUESTS", "FAILED", "INPUT", "CACHED", "OUTPUT", "COST")


def _columns_that_fit(rows: Sequence[UsageSum], width: int) -> list[tuple[str, Callable[[UsageSum], str]]]:
    found, left = [], width
    for head, write in _ALL_COLUMNS:
        left -= 2 + max(len(head), *map(len, _cells(rows, write)))
        if left < 0:
            break
        found.append((head, write))
    return sorted(found, key=lambda column: _ORDER.index(column[0]))


def _cells(rows: Sequence[UsageSum], write: Callable[[UsageSum], str]) -> list[str]:
    return [write(row) for row in rows]


def _measure(total: UsageSum) -> Callable[[UsageSum], float]:
    """What the bars show: money, or tokens where nothing has cost any, or requests."""
    if total.cost_usd > 0:
        return lambda row: row.cost_usd
    if total.input + total.output > 0:
        return lambda row: row.input + row.output
    return lambda row: row.requests


def _name(by: GroupBy, group: UsageSum) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in group.name) or _UNNAMED.get(by, "-")


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"
