"""What upstreams answered LiteLLM with, by request: the truth behind what LiteLLM then reports.

A request that goes through LiteLLM carries a trace: `<request>.<try>.<gateway>`. LiteLLM repeats it when it comes back
to a door. The gateway that is asked there need not be the one that waits; it passes on what the upstream answered.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

from llm_router.gateway.hop_mail import HopMail, Letter
from llm_router.gateway.verdicts import Verdict
from llm_router.routing.outcome import Outcome
from llm_router.wire.errors import Failure
from llm_router.wire.usage import Source, Usage

MOST_HELD = 10_000


@dataclass(slots=True)
class Hop:
    """The second hop of one request."""

    verdict: Verdict | None = None  # how the upstream failed; None when it did not
    usage: Usage | None = None  # as the upstream reported it, in its own wire
    trace: str = field(default="", compare=False)
    told: "tuple[Verdict | None, Usage | None]" = field(default=(None, None), compare=False)  # to the one that waits


class Hops:
    """The second hops of requests under way. Bounded: the oldest is dropped."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is where the gateways of one home reach each other; without one each is alone."""
        self._held: OrderedDict[str, Hop] = OrderedDict()
        self._tries = count(1)
        self._mail = HopMail(folder, self._take) if folder is not None else None

    def open(self) -> None:
        """From now on other gateways can write."""
        if self._mail is not None:
            self._mail.open()

    def close(self) -> None:
        """Let go of the letter box."""
        if self._mail is not None:
            self._mail.close()

    def begin(self, request_id: str) -> str:
        """A request is about to go through LiteLLM: what an earlier candidate met does not explain this one.

        Returns the trace that LiteLLM is to repeat.
        """
        trace = f"{request_id}.{next(self._tries)}.{self._name}"
        self._held[request_id] = Hop(trace=trace)
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)
        return trace

    def of(self, request_id: str) -> Hop:
        """The hop of a request under way; one that is kept nowhere when there is no such request."""
        if request_id not in self._held:
            return Hop()
        if self._mail is not None:
            self._mail.collect()
        return self._held[request_id]

    def at_door(self, trace: str) -> Hop:
        """The hop that LiteLLM is on when it shows this trace."""
        held = self._held.get(trace.partition(".")[0])
        return held if held is not None and held.trace == trace else Hop(trace=trace)

    async def pass_on(self, hop: Hop) -> None:
        """Tell the gateway that waits, if it is another one, before LiteLLM hears of it."""
        name = hop.trace.rpartition(".")[2]
        known = hop.verdict, hop.usage
        if self._mail is None or name in {"", self._name} or known == hop.told:
            return
        hop.told = known
        verdict, usage = (asdict(each) if each is not None else None for each in known)
        await self._mail.post(name, {"trace": hop.trace, "verdict": verdict, "usage": usage})

    def forget(self, request_id: str) -> None:
        """The request has been answered."""
        self._held.pop(request_id, None)

    @property
    def _name(self) -> str:
        return self._mail.name if self._mail is not None else ""

    def _take(self, letter: Letter) -> None:
        hop = self.at_door(letter["trace"])
        hop.verdict = _read(letter["verdict"], _verdict) or hop.verdict
        hop.usage = _read(letter["usage"], _usage) or hop.usage


def _read[Held](value: Letter | None, read: Callable[[Letter], Held]) -> Held | None:
    return read(value) if value is not None else None


def _verdict(held: Letter) -> Verdict:
    failure = held["failure"]
    headers = tuple((str(name), str(value)) for name, value in failure["more_headers"])
    return Verdict(
        **{**held, "outcome": Outcome(held["outcome"]), "failure": Failure(**{**failure, "more_headers": headers})}
    )


def _usage(held: Letter) -> Usage:
    return Usage(**{**held, "source": Source(held["source"])})
