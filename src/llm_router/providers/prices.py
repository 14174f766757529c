"""What tokens cost: a dated table that ships with the package, and the user's own prices before it.

A price that is not known is never guessed: the cost is then None. Prices are US dollars per million tokens.
"""

import datetime as dt
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

from llm_router.errors import UsageError
from llm_router.providers.billing import Billing
from llm_router.wire.usage import Source, Usage

STALE_AFTER_DAYS = 90
CONFIGURED = "configured"  # stands where the date of a price that the user set without one would
# Accounts that a subscription pays for, and one that nobody pays for.
PLAN_KINDS = frozenset({"chatgpt", "codex", "copilot"})
FREE_KINDS = frozenset({"sandbox"})
_DATED = re.compile(r"[-@](?:20\d{6}|20\d{2}-\d{2}-\d{2})$")
_PER_MILLION = 1e6
_MOST_FOUND = 10_000
_LARGEST_PRICE = 1e6
_NAMES = ("input", "cached", "cache_write", "cache_write_hour", "output")


class PriceTableBroken(UsageError):
    """A price table, shipped or configured, is missing or cannot be read."""

    code = "prices.broken"


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model. None where there is none: usage of that sort then makes the cost unknown."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    cache_write_hour: float | None = None  # for what is kept an hour
    long_above: int = (
        0  # input tokens above which the whole request is charged as `long`; 0 when there is no such price
    )
    long: "Price | None" = None
    date: str = ""

    def of(self, usage: Usage) -> float | None:
        """What this usage costs, or None when it has tokens of a sort without a price."""
        if self.long is not None and usage.input > self.long_above:
            return self.long.of(usage)
        short_lived = usage.cache_write - usage.cache_write_hour
        parts = (
            (usage.input - usage.cached - usage.cache_write, self.input),
            (usage.cached, self.cached),
            (short_lived, self.cache_write),
            (usage.cache_write_hour, self.cache_write_hour),
            (usage.output, self.output),
        )
        spent = 0.0
        for tokens, price in parts:
            if tokens and price is None:
                return None
            spent += tokens * (price or 0.0)
        return spent / _PER_MILLION


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class Cost:
    """What one request cost, and how old the price is."""

    usd: float
    date: str  # of the price, as YYYY-MM-DD, or `configured`
    billing: Billing = Billing.METERED


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model name. Names may be globs; in `own`, also `account/model`."""

    date: str = ""
    source: str = ""
    shipped: Mapping[str, Price] = field(default_factory=dict)
    own: Mapping[str, Price] = field(default_factory=dict)
    _own_globs: Mapping[str, Price] = field(init=False, repr=False)
    _shipped_globs: Mapping[str, Price] = field(init=False, repr=False)

    _found: dict[tuple[str, str], Price | None] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_own_globs", _globs(self.own))
        object.__setattr__(self, "_shipped_globs", _globs(self.shipped))

    def find(self, model: str, account: str = "") -> Price | None:
        """The price of a model: the user's own before the shipped one, an exact name before a dated or a glob one."""
        place = model, account
        if place not in self._found:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[place] = self._look_up(model, account)
        return self._found[place]

    def _look_up(self, model: str, account: str) -> Price | None:
        model = model.removeprefix("models/")
        undated = _DATED.sub("", model)
        theirs = (f"{account}/{model}", f"{account}/{undated}") if account else ()
        mine, shipped = (*theirs, model, undated), (model, undated)
        for exact, globs, names in ((self.own, self._own_globs, mine), (self.shipped, self._shipped_globs, shipped)):
            for name in names:
                if (found := exact.get(name)) is not None:
                    return found
            for pattern, price in globs.items():
                if any(fnmatchcase(name, pattern) for name in names):
                    return price
        return None

    def stale(self, today: dt.date) -> str | None:
        """A warning when the shipped prices are old, or None."""
        if not self.date:
            return "There are no shipped prices: costs are unknown"
        days = (today - dt.date.fromisoformat(self.date)).days
        if days <= STALE_AFTER_DAYS:
            return None
        return f"The shipped prices are of {self.date}, {days} days ago: costs may be off; set your own under `prices`"


def billing_of(upstream_kind: str) -> Billing:
    """Who pays for an account of this kind."""
    return Billing.PLAN if upstream_kind in PLAN_KINDS else Billing.METERED


def cost_of(usage: Usage, upstream_kind: str, model: str, table: PriceTable, account: str = "") -> Cost | None:
    """What a request cost, or None when that is not known.

    Not known are: a model without a price, usage that nobody reported or estimated, tokens of a sort that has no price,
    and an answer from a service tier with prices of its own. `account` lets prices be set for one account.
    """
    if upstream_kind in PLAN_KINDS:
        return Cost(0.0, table.date, Billing.PLAN)
    if upstream_kind in FREE_KINDS:
        return Cost(0.0, table.date)
    if usage.source is Source.MISSING or usage.tier:
        return None
    price = table.find(model, account)
    spent = price.of(usage) if price is not None else None
    return Cost(spent, price.date) if price is not None and spent is not None else None


def shipped_prices() -> PriceTable:
    """The table that ships with the package. Raises PriceTableBroken."""
    try:
        text = resources.files(__package__).joinpath("prices.json").read_bytes()
    except OSError as error:
        raise PriceTableBroken(
            "The price table of llm-router is missing",
            hints=["Install llm-router anew"],
            unharmed="Requests are answered all the same; their cost is recorded as unknown",
        ) from error
    return parse_prices(text)


def parse_prices(text: bytes) -> PriceTable:
    """Read a price table: `date`, `source` and `models`. Raises PriceTableBroken."""
    try:
        held = json.loads(text)
        made = dt.date.fromisoformat(held["date"]).isoformat()
        shipped = {str(name): _price(name, value, made) for name, value in held["models"].items()}
        return PriceTable(date=made, source=str(held.get("source", "")), shipped=shipped)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PriceTableBroken(
            "The price table cannot be read",
            hints=["Install llm-router anew"],
            unharmed="Requests are answered all the same; their cost is recorded as unknown",
        ) from error


def with_own(table: PriceTable, own: Mapping[str, Any]) -> PriceTable:
    """The same table with the user's own prices before it: `{"account/model or glob": {"input": …, "output": …}}`.

    Raises PriceTableBroken when a price is negative, absurd or no number, or has a member that is not known.
    """
    found: dict[str, Price] = {}
    for name, value in own.items():
        try:
            made = value.get("date", CONFIGURED)
            found[name] = _price(name, value, made.isoformat() if isinstance(made, dt.date) else str(made))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PriceTableBroken(
                f"The price of `{name}` in `prices` cannot be used",
                hints=[f"Give `input` and `output`, and where they apply {_listed()}, in dollars per million tokens"],
            ) from error
    return PriceTable(date=table.date, source=table.source, shipped=table.shipped, own=found)


def _price(name: str, value: Mapping[str, Any], made: str) -> Price:
    unknown = set(value) - {*_NAMES, "long", "date"}
    if unknown:
        raise ValueError(f"`{name}` has no price called {', '.join(sorted(map(str, unknown)))}")
    long = value.get("long")
    above = 0
    if long is not None:
        above = int(long["above"])
        if above <= 0:
            raise ValueError(f"`{name}`: `long.above` must be a number of tokens")
        long = _price(name, {key: each for key, each in long.items() if key != "above"}, made)
    return Price(**dict(_amounts(name, value)), long_above=above, long=long, date=made)


def _amounts(name: str, value: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for member in _NAMES:
        amount = value.get(member)
        if amount is None and member not in {"input", "output"}:
            continue
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not math.isfinite(amount):
            raise ValueError(f"`{name}`: `{member}` must be a number")
        if not 0 <= amount <= _LARGEST_PRICE:
            raise ValueError(f"`{name}`: `{member}` must be between 0 and {_LARGEST_PRICE:.0f}")
        yield member, float(amount)


def _globs(table: Mapping[str, Price]) -> dict[str, Price]:
    return {name: price for name, price in table.items() if any(mark in name for mark in "*?[")}


def _listed() -> str:
    return ", ".join(f"`{name}`" for name in _NAMES if name not in {"input", "output"})


NO_PRICES = PriceTable()
