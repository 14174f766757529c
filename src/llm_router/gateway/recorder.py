"""What is written down of requests: the ledger's row before the last byte, and the events of the audit trail."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from llm_router.gateway.metrics import Metrics
from llm_router.gateway.state import Problem, Snapshot
from llm_router.gateway.story import Story
from llm_router.journal.events import EventLog
from llm_router.journal.ledger import Ledger
from llm_router.providers.prices import NO_PRICES, Cost, PriceTable, PriceTableBroken, cost_of, shipped_prices, with_own
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Billing

Fields = Mapping[str, str | int | float | bool | None]
_NONE: Fields = MappingProxyType({})


class Recorder:
    """One for the life of the process. `profile` stands in every event."""

    def __init__(self, events: EventLog, ledger: Ledger, metrics: Metrics, *, wall: Callable[[], float]) -> None:
        self._events = events
        self._ledger = ledger
        self._wall = wall
        self.metrics = metrics
        self.prices = PriceTable()
        self.profile = ""
        self._prices_broken = ""
        self._state_trouble = ""

    def configured(self, snapshot: Snapshot) -> None:
        """A plan is in force: its profile stands in every event from now on, and its prices count."""
        self.profile = snapshot.plan.profile
        try:
            self.prices = with_own(shipped_prices(), snapshot.plan.prices)
            self._prices_broken = ""
        except PriceTableBroken as error:
            self.prices = NO_PRICES
            self._prices_broken = f"No answer has a price: {error.message}"
            self.event("prices_broken", None, result="failed", fields={"detail": error.message})

    def state_event(self, name: str, detail: str) -> None:
        """Shared state was lost, or is back."""
        if name in {"state_unavailable", "state_recovered"}:
            self._state_trouble = detail if name == "state_unavailable" else ""
        self._events.write(name, result="reported", service="gateway", profile=self.profile, detail=detail)

    def problems(self) -> list[Problem]:
        """What was not written down as it should be, for `router health`; requests are served all the same."""
        found = []
        if (trouble := self._ledger.problem()) is not None:
            hint = "Make room on the disk, or end the program that holds the file; what waits is written by itself"
            found.append(Problem("ledger.trouble", trouble, hint))
        if self._events.lost:
            found.append(Problem("events.lost", f"{self._events.lost} events could not be written", ""))
        if self._prices_broken:
            found.append(Problem("prices.broken", self._prices_broken, "Run `router config validate`"))
        if self._state_trouble:
            found.append(Problem("state.trouble", self._state_trouble, ""))
        return found

    def now(self) -> float:
        """Seconds since 1970."""
        return self._wall()

    def event(self, name: str, story: Story | None, *, result: str, provider: str = "", fields: Fields = _NONE) -> None:
        """One event; of a request, with its trace id."""
        ids: dict[str, Any] = {"traceId": story.request_id, **fields} if story is not None else dict(fields)
        self._events.write(name, result=result, service="gateway", profile=self.profile, provider=provider, **ids)

    def begin(self, story: Story, provider: str) -> None:
        """The first upstream is about to be called."""
        if story.announced:
            return
        story.announced = True
        self.event(
            "ai_run_started",
            story,
            result="started",
            provider=provider,
            fields={"runId": story.request_id, "executionId": story.request_id, "stream": story.streamed},
        )

    def conclude(self, story: Story, status: int, outcome: Outcome | None, code: str = "") -> None:
        """Write the row: exactly once, whoever comes first."""
        if story.concluded:
            return
        story.concluded = True
        story.status, story.outcome, story.code = status, outcome, code
        cost = self._cost(story)
        now = time.perf_counter()
        self._ledger.write(story.row(now, cost))
        self.metrics.observe(story, now, cost)

    def _cost(self, story: Story) -> Cost | None:
        candidate = story.candidate
        if story.usage is None or candidate is None:
            return None
        if story.billing is Billing.PLAN:
            return Cost(0.0, self.prices.date, Billing.PLAN)
        return cost_of(story.usage, story.kind, candidate.model, self.prices, candidate.upstream)
