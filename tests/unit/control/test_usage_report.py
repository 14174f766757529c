"""The ledger's sums with what a reader must know about them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from llm_router.control.usage_report import parse_since, usage_report
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_queries import GroupBy, UsageSum
from llm_router.journal.ledger_row import LedgerRow
from llm_router.journal.queries import BadAge
from llm_router.wire.usage import MISSING, Source, Usage

NOW = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)


def written(path: Path, *rows: LedgerRow) -> Path:
    ledger = Ledger(path)
    ledger.open()
    for row in rows:
        assert ledger.write(row)
    ledger.close()
    return path


def row(name: str, **values: object) -> LedgerRow:
    held = {"started_ms": int(NOW.timestamp() * 1000), "model_answered": "m", "outcome": "success", "cost_usd": 1.0}
    return LedgerRow(trace_id=name, **{**held, "usage": Usage(10, output=2), **values})  # type: ignore[arg-type]


def test_nothing_yet(tmp_path: Path):
    """A ledger that is not there is an empty answer without a warning."""
    report = usage_report(tmp_path / "none", GroupBy.DAY, None, TODAY)

    assert report.as_json() == {
        "by": "day",
        "since": None,
        "groups": [],
        "total": {**dict.fromkeys(UsageSum.__slots__, 0), "name": "total", "cost_usd": 0.0},
        "warnings": [],
    }


def test_what_to_know(tmp_path: Path):
    """Unknown prices, estimates, missing reports and old prices are each said once."""
    path = written(
        tmp_path / "ledger.sqlite",
        row("a", cost_usd=None),
        row("b", usage=Usage(1, output=1, source=Source.ESTIMATED)),
        row("c", usage=MISSING, cost_usd=None),
    )

    assert usage_report(path, GroupBy.MODEL, None, date(2027, 6, 1)).warnings == (
        "2 answers have no known price and are not in the cost; set one under `prices`",
        "The tokens of 1 answers are estimates: their upstream did not report them",
        "The tokens of 1 answers are not known and are not in the sums",
        "The shipped prices are of 2026-10-21, 223 days ago: costs may be off; set your own under `prices`",
    )


def test_csv(tmp_path: Path):
    """One line for each group; a model's name cannot become a spreadsheet's formula."""
    path = written(tmp_path / "ledger.sqlite", row("a", model_answered='=1+1,"x"'), row("b", cost_usd=3.0))

    assert usage_report(path, GroupBy.MODEL, None, TODAY).as_csv().splitlines() == [
        "name,requests,failed,input,cached,cache_write,output,reasoning,cost_usd,unpriced,estimated,missing",
        "m,1,0,10,0,0,2,0,3.0,0,0,0",
        '"\'=1+1,""x""",1,0,10,0,0,2,0,1.0,0,0,0',
    ]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(hours=24)),
        (" 7D ", NOW - timedelta(days=7)),
        ("4w", NOW - timedelta(weeks=4)),
        ("2026-11-01", datetime.fromisoformat("2026-11-01").astimezone()),
        ("2026-11-01t08:30", datetime.fromisoformat("2026-11-01T08:30").astimezone()),
        ("2026-11-01t08:30+02:00", datetime.fromisoformat("2026-11-01T08:30+02:00")),
        ("all", None),
    ],
)
def test_since(text: str, moment: datetime | None):
    """An age, a day or everything."""
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "7", "w", "-3w", "7q", "2026-13-01", "99999999999d", "nanw", "infw", "1e400w"])
def test_since_when(text: str):
    """What is none of these is refused with what may be written, however absurd."""
    with pytest.raises(BadAge) as caught:
        parse_since(text, NOW)

    assert caught.value.message == f"`{text}` is neither an age nor a day"
    assert caught.value.hints == ("Write 90m, 24h, 7d, 4w, 2026-11-01 or all",)
