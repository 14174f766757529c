"""What is written down of requests: the ledger's row before the last byte, and the events of the audit trail."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from llm_router.gateway.metrics import Metrics
from llm_router.gateway.state import Problem, Snapshot
from llm_router.gateway.story import Story
from llm_router.journal.events import EventLog, members_text
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_row import LedgerRow
from llm_router.providers.prices import NO_PRICES, Cost, PriceTable, PriceTableBroken, cost_of, shipped_prices, with_own
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Billing

Fields = Mapping[str, str | int | float | bool | None]
_NONE: Fields = MappingProxyType({})
_MOST_PROVIDERS = 1000


class Recorder:
    """One for the life of the process. `profile` stands in every event.

    What requests leave within one turn of the event loop is written together at its end. Nobody waits for longer: a
    call goes out when its turn ends, so its event is on disk before it can be answered, and the last byte of an answer
    leaves after `written`.
    """

    def __init__(self, events: EventLog, ledger: Ledger, metrics: Metrics, *, wall: Callable[[], float]) -> None:
        self._events = events
        self._ledger = ledger
        self._wall = wall
        self.metrics = metrics
        self.prices = PriceTable()
        self.profile = ""
        self._prices_broken = ""
        self._state_trouble = ""
        self._rows: list[LedgerRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._due = False
        self._begun: dict[str, str] = {}  # provider -> the members of its first event that are always the same

    def configured(self, snapshot: Snapshot) -> None:
        """A plan is in force: its profile stands in every event from now on, and its prices count."""
        self.profile = snapshot.plan.profile
        self._begun.clear()
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
        held = self._begun.get(provider) or self._beginning(provider)
        trace = story.request_id
        streamed = "true" if story.streamed else "false"
        self._events.collect(
            f'{held}, "traceId": "{trace}", "runId": "{trace}", "executionId": "{trace}", "stream": {streamed}'
        )
        if not self._due:
            self._write_soon()

    def _beginning(self, provider: str) -> str:
        if len(self._begun) >= _MOST_PROVIDERS:
            self._begun.clear()
        members: dict[str, str | int | float | bool | None] = {
            "event": "ai_run_started",
            "service": "gateway",
            "profile": self.profile,
            "provider": provider,
            "result": "started",
            "detail": "",
        }
        held = self._begun[provider] = members_text(members)
        return held

    def conclude(self, story: Story, status: int, outcome: Outcome | None, code: str = "") -> None:
        """The row: exactly once, whoever comes first. It is written when this turn of the event loop ends."""
        if story.concluded:
            return
        story.concluded = True
        story.status, story.outcome, story.code = status, outcome, code
        cost = self._cost(story)
        now = time.perf_counter()
        self._rows.append(story.row(now, cost))
        if not self._due:
            self._write_soon()
        self.metrics.observe(story, now, cost)

    async def written(self) -> None:
        """Return when every row until now is in the ledger, or waits there for a file that cannot be written."""
        if self._rows:
            done = asyncio.get_running_loop().create_future()
            self._waiting.append(done)
            await done

    def write_now(self) -> None:
        """Write what there is, and let those go on who wait for it."""
        self._due = False
        self._events.flush()
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        waiting, self._waiting = self._waiting, []
        try:
            self._ledger.write_all(rows)
        finally:
            for done in waiting:
                if not done.done():
                    done.set_result(None)

    def close(self) -> None:
        """Write what is left, at the end of the process."""
        self.write_now()
        self._events.close()

    def _write_soon(self) -> None:
        self._due = True
        asyncio.get_running_loop().call_soon(self.write_now)

    def _cost(self, story: Story) -> Cost | None:
        candidate = story.candidate
        if story.usage is None or candidate is None:
            return None
        if story.billing is Billing.PLAN:
            return Cost(0.0, self.prices.date, Billing.PLAN)
        return cost_of(story.usage, story.kind, candidate.model, self.prices, candidate.upstream)
