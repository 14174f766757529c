"""What upstreams answered LiteLLM with, by trace id: the truth behind the error that LiteLLM then reports."""

from collections import OrderedDict
from dataclasses import dataclass, field

from llm_router.wire.errors import Failure

MOST_HELD = 10_000


@dataclass(slots=True)
class Hops:
    """The failed second hops of requests under way. Bounded: the oldest is dropped."""

    _failures: OrderedDict[str, Failure] = field(default_factory=OrderedDict)

    def note(self, request_id: str, failure: Failure) -> None:
        """Remember how the upstream failed for a request."""
        self._failures[request_id] = failure
        if len(self._failures) > MOST_HELD:
            self._failures.popitem(last=False)

    def failure_of(self, request_id: str) -> Failure | None:
        """How the upstream failed for a request, or None when it did not."""
        return self._failures.get(request_id)

    def forget(self, request_id: str) -> None:
        """The request has been answered."""
        self._failures.pop(request_id, None)
