"""What requests cost, and what is not known."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_router.errors import Exit
from llm_router.providers.prices import (
    NO_PRICES,
    Billing,
    Cost,
    PriceTable,
    PriceTableBroken,
    billing_of,
    cost_of,
    parse_prices,
    shipped_prices,
    with_own,
)
from llm_router.wire.usage import MISSING, Source, Usage

MILLION = 1_000_000
TEXT = {
    "date": "2026-10-21",
    "source": "a test",
    "models": {
        "claude-x-4": {"input": 3, "cached": 0.3, "cache_write": 3.75, "cache_write_hour": 6, "output": 15},
        "gpt-x": {"input": 1.25, "cached": 0.125, "output": 10},
        "gpt-x-2024-05-13": {"input": 5, "output": 15},
        "gem-*": {"input": 1, "output": 2, "long": {"above": 200_000, "input": 2, "output": 4}},
    },
}


@pytest.fixture
def table() -> PriceTable:
    return parse_prices(json.dumps(TEXT).encode())


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        ("gpt-x", Usage(MILLION), 1.25),
        ("gpt-x", Usage(0, output=MILLION, reasoning=MILLION), 10),
        ("gpt-x", Usage(MILLION, MILLION), 0.125),
        ("gpt-x", Usage(2 * MILLION, MILLION, output=MILLION), 1.25 + 0.125 + 10),
        ("gpt-x", Usage(MILLION, 0, 5), None),
        ("gpt-x-2026-01-31", Usage(MILLION), 1.25),
        ("gpt-x-2024-05-13", Usage(MILLION), 5),
        ("gpt-x-2024-05-13", Usage(MILLION, 1), None),
        ("gpt-x-mini", Usage(MILLION), None),
        ("gpt-x-0613", Usage(MILLION), None),
        ("claude-x-4-20250929", Usage(MILLION), 3),
        ("claude-x-4@20250929", Usage(MILLION), 3),
        ("claude-x-4", Usage(4 * MILLION, MILLION, 2 * MILLION, cache_write_hour=MILLION), 3 + 0.3 + 3.75 + 6),
        ("models/gem-1", Usage(200_000), 0.2),
        ("gem-1", Usage(200_001, output=MILLION), 0.400002 + 4),
        ("unknown", Usage(1), None),
        ("gpt-x", Usage(MILLION, source=Source.ESTIMATED), 1.25),
        ("gpt-x", MISSING, None),
        ("gpt-x", Usage(MILLION, tier="priority"), None),
    ],
)
def test_cost(table: PriceTable, model: str, usage: Usage, dollars: float | None):
    """Each sort of token at its own price; a sort without one makes the cost unknown, never a guess."""
    found = cost_of(usage, "openai", model, table)

    assert (found is None) == (dollars is None)
    if found is not None:
        assert found == Cost(pytest.approx(dollars), "2026-10-21", Billing.METERED)


@pytest.mark.parametrize("kind", ["chatgpt", "codex", "copilot"])
def test_a_plan_costs_nothing(table: PriceTable, kind: str):
    """A subscription is paid for already, whatever the model."""
    assert cost_of(Usage(MILLION), kind, "unknown", table) == Cost(0.0, "2026-10-21", Billing.PLAN)
    assert billing_of(kind) is Billing.PLAN


def test_the_sandbox_costs_nothing(table: PriceTable):
    """The rehearsal upstream is free, and metered."""
    assert cost_of(Usage(MILLION), "sandbox", "echo-1", table) == Cost(0.0, "2026-10-21", Billing.METERED)
    assert billing_of("openai") is Billing.METERED


def test_own_prices(table: PriceTable):
    """A person's own prices come before the shipped ones: those of one account first, then names, then globs."""
    own = {
        "work/gpt-x": {"input": 0.5, "output": 1, "date": dt.date(2026, 11, 1)},
        "gpt-x": {"input": 2, "output": 3, "date": "2026-11-02"},
        "lab/*": {"input": 0, "output": 0},
        "llama-*": {"input": 0.1, "output": 0.2},
    }
    mine = with_own(table, own)
    spent = {
        (account, model): cost_of(Usage(MILLION), "openai", model, mine, account)
        for account in ("work", "home", "lab")
        for model in ("gpt-x-2026-01-31", "llama-3", "claude-x-4")
    }

    assert spent == {
        ("work", "gpt-x-2026-01-31"): Cost(0.5, "2026-11-01"),
        ("work", "llama-3"): Cost(0.1, "configured"),
        ("work", "claude-x-4"): Cost(3.0, "2026-10-21"),
        ("home", "gpt-x-2026-01-31"): Cost(2.0, "2026-11-02"),
        ("home", "llama-3"): Cost(0.1, "configured"),
        ("home", "claude-x-4"): Cost(3.0, "2026-10-21"),
        ("lab", "gpt-x-2026-01-31"): Cost(2.0, "2026-11-02"),
        ("lab", "llama-3"): Cost(0.0, "configured"),
        ("lab", "claude-x-4"): Cost(0.0, "configured"),
    }


@pytest.mark.parametrize(
    "price",
    [
        {},
        5,
        None,
        {"input": 1},
        {"input": -1, "output": 1},
        {"input": 1e9, "output": 1},
        {"input": float("nan"), "output": 1},
        {"input": float("inf"), "output": 1},
        {"input": "1", "output": 1},
        {"input": True, "output": 1},
        {"input": 1, "output": 1, "ouput": 1},
        {"input": 1, "output": 1, "long": {"above": 0, "input": 1, "output": 1}},
        {"input": 1, "output": 1, "long": {"input": 1, "output": 1}},
        {"input": 1, "output": 1, "long": 5},
    ],
    ids=repr,
)
def test_prices_that_cannot_be(table: PriceTable, price: Any):
    """A negative, absurd or misspelt price is refused with the name of its model."""
    with pytest.raises(PriceTableBroken) as caught:
        with_own(table, {"my-model": price})

    assert caught.value.message == "The price of `my-model` in `prices` cannot be used"
    assert (caught.value.code, caught.value.exit_code) == ("prices.broken", Exit.USAGE)
    assert caught.value.hints


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no",
        b"[]",
        b"{}",
        b'{"date": "soon", "models": {}}',
        b'{"date": 5, "models": {}}',
        b'{"date": "2026-10-21", "models": []}',
        b'{"date": "2026-10-21", "models": {"a": {"input": -1, "output": 2}}}',
    ],
)
def test_a_broken_table(text: bytes):
    """A price file that cannot be read is a clear error for the command line."""
    with pytest.raises(PriceTableBroken, match="The price table cannot be read"):
        parse_prices(text)


def test_without_a_table():
    """The gateway goes on without prices: costs are unknown, plans and rehearsals are free."""
    assert cost_of(Usage(MILLION), "openai", "gpt-5", NO_PRICES) is None
    assert cost_of(Usage(MILLION), "codex", "gpt-5", NO_PRICES) == Cost(0.0, "", Billing.PLAN)
    assert NO_PRICES.stale(dt.date(2026, 11, 20)) == "There are no shipped prices: costs are unknown"


def test_stale(table: PriceTable):
    """Prices older than 90 days are warned about."""
    made = dt.date(2026, 10, 21)
    warning = "The shipped prices are of 2026-10-21, 91 days ago: costs may be off; set your own under `prices`"

    assert table.stale(made + dt.timedelta(days=90)) is None
    assert table.stale(made + dt.timedelta(days=91)) == warning
    assert table.stale(made - dt.timedelta(days=500)) is None


def test_the_shipped_table():
    """It can be read, each price is in proportion, and a cached token never costs more than a fresh one."""
    table = shipped_prices()

    assert len(table.shipped) >= 24
    assert table.source
    assert cost_of(Usage(MILLION), "anthropic", "claude-sonnet-4-5-20250929", table) == Cost(3.0, table.date)
    assert cost_of(Usage(MILLION), "openai", "gpt-4o-2024-08-06", table) == Cost(2.5, table.date)
    for name, price in table.shipped.items():
        for each in filter(None, (price, price.long)):
            assert each.input <= each.output or name.startswith("text-embedding"), name
            assert each.cached is None or each.cached <= each.input, name
            assert each.cache_write is None or each.input <= each.cache_write <= (each.cache_write_hour or 1e9), name
        assert price.long is None or price.long.input > price.input, name


COUNTS = st.integers(0, 10**9)


@settings(deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS, st.sampled_from(["gpt-x", "claude-x-4", "gem-1"]))
def test_never_negative(fresh: int, cached: int, written: int, output: int, model: str):
    """No usage costs less than nothing."""
    table = parse_prices(json.dumps(TEXT).encode())
    found = cost_of(Usage(fresh + cached + written, cached, written, output), "openai", model, table)

    assert found is None or found.usd >= 0
