"""One request on its way, and what has been tried for it."""

from dataclasses import dataclass, field

from llm_router.gateway.calls import Call, Opened
from llm_router.gateway.exchange import Exchange
from llm_router.gateway.guard import Asked
from llm_router.gateway.selector import Way
from llm_router.gateway.state import Snapshot
from llm_router.gateway.story import Story
from llm_router.gateway.verdicts import Verdict
from llm_router.routing.plan import Candidate
from llm_router.state.port import Admitted


@dataclass(slots=True)
class Run:
    """`headers` go with whatever answer is given; `translate` asks for LiteLLM even where the wire is spoken."""

    exchange: Exchange
    call: Call
    story: Story
    asked: Asked
    snapshot: Snapshot
    headers: list[tuple[str, str]]
    translate: bool
    failed: dict[Candidate, Verdict] = field(default_factory=dict)
    kept: Opened | None = None  # an upstream's own error answer, returned when there was nobody else to ask
    last: Way | None = None  # the way that failed last
    admitted: Admitted | None = None  # its place, once it has one

    def keep(self, answer: Opened | None) -> None:
        """Hold on to an error answer instead of the one held before."""
        if self.kept is not None:
            self.kept.close()
        self.kept = answer

    def is_worth_retry(self) -> bool:
        """Whether nothing but connections failed."""
        return bool(self.failed) and all(verdict.retries for verdict in self.failed.values())
