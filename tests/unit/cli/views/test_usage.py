"""How usage reads in terminals of every width."""

import pytest

from llm_router.cli.views.usage import Line, bar, dollars, short, usage_lines
from llm_router.control.usage_report import UsageReport
from llm_router.journal.ledger_queries import GroupBy, UsageSum

GROUPS = (
    UsageSum("claude-sonnet-5", 1200, 3, 1_200_000, 900_000, 1000, 50_000, 0, 12.5),
    UsageSum("gpt-5\x1b[31m", 40, 0, 34_000, 0, 0, 900, 0, 0.0321, unpriced=2),
    UsageSum("", 1, 1),
)
TOTAL = UsageSum("total", 1241, 4, 1_234_000, 900_000, 1000, 50_900, 0, 12.5321, unpriced=2)


def report(*groups: UsageSum, by: GroupBy = GroupBy.MODEL) -> UsageReport:
    return UsageReport(by, None, groups, TOTAL, ())


def test_wide():
    """Every column, and a bar for each group in the room that is left."""
    assert list(usage_lines(report(*GROUPS), 90, bars=True)) == [
        Line("MODEL            REQUESTS  FAILED  INPUT  CACHED  OUTPUT      COST"),
        Line("claude-sonnet-5      1.2k       3   1.2M    900k     50k    $12.50", "  " + "█" * 22),
        Line("gpt-5?[31m             40       -    34k       -     900  $0.0321?", "  ▏"),
        Line("(no model)              1       1      0       -       0     $0.00", "  "),
        Line("total                1.2k       4   1.2M    900k     51k   $12.53?"),
    ]


def test_narrow():
    """What matters least goes first; no line is ever wider than the terminal."""
    assert [line.text for line in usage_lines(report(*GROUPS), 45, bars=True)] == [
        "MODEL            REQUESTS  OUTPUT      COST",
        "claude-sonnet-5      1.2k     50k    $12.50",
        "gpt-5?[31m             40     900  $0.0321?",
        "(no model)              1       0     $0.00",
        "total                1.2k     51k   $12.53?",
    ]


@pytest.mark.parametrize("width", range(10, 140, 3))
def test_every_width(width: int):
    """The table fits where there is room for a name at all."""
    for line in usage_lines(report(*GROUPS), width, bars=True):
        assert len(line.text + line.bar) <= max(width, 10)


def test_without_bars():
    """A pipe gets the table alone."""
    assert {line.bar for line in usage_lines(report(*GROUPS), 120, bars=False)} == {""}


def test_tokens_where_nothing_costs():
    """Bars show tokens when there is no cost, and requests when there are no tokens either."""
    free = UsageReport(
        GroupBy.KEY, None, (UsageSum("a", 1, input=10), UsageSum("b", 1, input=5)), UsageSum("t", 2, input=15), ()
    )
    refused = UsageReport(GroupBy.KEY, None, (UsageSum("a", 4, 4), UsageSum("b", 2, 2)), UsageSum("t", 6, 6), ())

    for each in (free, refused):
        bars = [len(line.bar.strip()) for line in usage_lines(each, 100, bars=True)]
        assert bars == [0, 40, 20, 0]


def test_nothing():
    """No requests is an answer."""
    assert list(usage_lines(report(), 80, bars=True)) == [Line("Nothing has been recorded yet")]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999, "999"),
        (1000, "1.0k"),
        (9949, "9.9k"),
        (34_000, "34k"),
        (999_600, "1.0M"),
        (5.6e9, "5.6G"),
    ],
)
def test_short(count: float, text: str):
    """Counts in at most five characters."""
    assert short(count) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.00"), (0.00012, "$0.0001"), (0.5, "$0.5000"), (12.345, "$12.35")])
def test_dollars(amount: float, text: str):
    """Small amounts show more digits."""
    assert dollars(amount) == text


@pytest.mark.parametrize(("value", "text"), [(0, ""), (1e-9, "▏"), (50, "█████"), (55, "█████▌"), (100, "██████████")])
def test_bar(value: float, text: str):
    """Exact to an eighth; what is not nothing shows."""
    assert bar(value, 100, 10) == text
