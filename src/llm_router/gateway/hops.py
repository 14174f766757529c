"""What upstreams answered LiteLLM with, by trace id: the truth behind what LiteLLM then reports."""

from collections import OrderedDict
from dataclasses import dataclass, field

from llm_router.gateway.verdicts import Verdict
from llm_router.wire.usage import Usage

MOST_HELD = 10_000


@dataclass(slots=True)
class Hop:
    """The second hop of one request."""

    verdict: Verdict | None = None  # how the upstream failed; None when it did not
    usage: Usage | None = None  # as the upstream reported it, in its own wire


@dataclass(slots=True)
class Hops:
    """The second hops of requests under way. Bounded: the oldest is dropped."""

    _held: OrderedDict[str, Hop] = field(default_factory=OrderedDict)

    def begin(self, request_id: str) -> None:
        """A request is about to go through LiteLLM: what an earlier candidate met does not explain this one."""
        self._held[request_id] = Hop()
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)

    def of(self, request_id: str) -> Hop:
        """The hop of a request under way; one that is kept nowhere when there is no such request."""
        return self._held.get(request_id) or Hop()

    def forget(self, request_id: str) -> None:
        """The request has been answered."""
        self._held.pop(request_id, None)
