"""The story of one client request, written down as it goes and turned into its one row of the ledger."""

from dataclasses import dataclass, field, replace

from llm_router.journal.ledger_row import Attempt, LedgerRow
from llm_router.providers.prices import Cost
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Billing, Candidate, Lane, Wire
from llm_router.wire.usage import Usage

CLIENT_LEFT = 499


@dataclass(slots=True)
class Story:
    """Times are seconds: `started` and `first_byte` by `time.perf_counter`, `started_at` since 1970."""

    request_id: str
    started: float
    started_at: float
    wire: Wire
    model: str
    key: str = ""
    session: str = ""  # the mark that ledger and events show, never the client's own text
    streamed: bool = False
    bytes_in: int = 0
    prompt_tokens: int = 0  # an estimate
    traceparent: str = ""
    queued: float = 0.0
    first_byte: float | None = None
    bytes_out: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    candidate: Candidate | None = None  # the one that answered, or was asked last
    lane: Lane | None = None
    billing: Billing = Billing.METERED
    kind: str = ""  # the provider kind of the candidate
    base_url: str = ""  # the candidate's, as it is configured
    announced: bool = False
    concluded: bool = False
    status: int = 0
    outcome: Outcome | None = None
    code: str = ""
    usage: Usage | None = None

    def tried(self, candidate: Candidate, outcome: Outcome, reason: str, status: int | None, seconds: float) -> None:
        """One candidate was asked."""
        self.attempts.append(Attempt(str(candidate), str(outcome), reason, status, seconds * 1000))

    def broke(self, reason: str) -> None:
        """The answer that had begun did not come to its end."""
        if self.attempts:
            self.attempts[-1] = replace(self.attempts[-1], outcome=Outcome.OUTAGE.value, reason=reason)

    def row(self, now: float, cost: Cost | None) -> LedgerRow:
        """The row; `now` is by `time.perf_counter`."""
        answered = self.candidate if self.outcome is Outcome.SUCCESS else None
        return LedgerRow(
            trace_id=self.request_id,
            started_ms=int(self.started_at * 1000),
            key=self.key,
            session=self.session,
            wire=str(self.wire),
            model_asked=self.model[:200],
            upstream=answered.upstream if answered is not None else "",
            model_answered=answered.model[:200] if answered is not None else "",
            lane=str(self.lane) if self.lane is not None else "",
            attempts=tuple(self.attempts),
            status=self.status,
            outcome=str(self.outcome) if self.outcome is not None else "refused",
            code=self.code,
            streamed=self.streamed,
            usage=self.usage,
            cost_usd=cost.usd if cost is not None else None,
            price_date=cost.date if cost is not None else None,
            billing=str(self.billing),
            queue_ms=round(self.queued * 1000, 3),
            first_byte_ms=None if self.first_byte is None else round((self.first_byte - self.started) * 1000, 3),
            total_ms=round((now - self.started) * 1000, 3),
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            traceparent=self.traceparent,
        )
