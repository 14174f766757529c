"""Plays a sign-in flow as a conversation: each step that it yields is kept, and answered from a script."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_router.accounts.flow import Ask, Await, Listen, Reply, Show, Wait


def reply(body: object = None, status: int = 200) -> Reply:
    """An answer with a JSON body, or with raw bytes."""
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode())


@dataclass
class Hour:
    """A clock that only waiting moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Conversation:
    """What a flow said, step by step. Each `Ask` takes the next of `replies`; a `Wait` moves the clock."""

    clock: Hour
    replies: Sequence[Any]
    returns: Callable[[str], dict[str, str]] = lambda url: {}
    steps: list[Any] = field(default_factory=list)

    def play(self, flow: Any) -> Any:
        """Run the flow to its end and return its result; what it raises passes."""
        waiting, answer = list(self.replies), None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                assert waiting == [], "the flow ended before the script"
                return end.value
            self.steps.append(step)
            answer = None
            match step:
                case Ask():
                    answer = waiting.pop(0)
                case Wait():
                    self.clock.now += step.seconds
                case Listen():
                    answer = 4711
                case Await():
                    shown = next(held for held in self.steps if isinstance(held, Show))
                    answer = self.returns(shown.url)

    def asked(self) -> list[Ask]:
        """The requests."""
        return [step for step in self.steps if isinstance(step, Ask)]

    def waits(self) -> list[float]:
        """The pauses, in seconds."""
        return [step.seconds for step in self.steps if isinstance(step, Wait)]
