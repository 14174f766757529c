"""What `router up` shows while units become ready: each unit's line once, as soon as it is settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_router.cli.console import Console
from llm_router.cli.views.units import hint_lines, problem_hints, tail_lines, unit_line
from llm_router.errors import Exit

if TYPE_CHECKING:
    from llm_router.control.lifecycle import Outcome


@dataclass(slots=True)
class Progress:
    """Lines of units that are ready go to stdout, everything else is talk."""

    console: Console
    profile: str = ""
    _shown: set[str] = field(default_factory=set)
    _starting: set[str] = field(default_factory=set)

    def note(self, step: Mapping[str, Any]) -> None:
        """A unit changed its state."""
        unit, state = str(step["unit"]), str(step["state"])
        self.profile = str(step.get("profile", self.profile))
        if state == "ready" and unit not in self._shown:
            self._shown.add(unit)
            self.console.result(unit_line(step, self.profile))
        elif state == "backoff":
            self.console.say(unit_line(step))
        elif state == "starting" and unit == "litellm" and unit not in self._starting:
            self._starting.add(unit)
            self.console.say("  litellm   starting (translator); the same-format lane does not wait for it")

    def finish(self, outcome: "Outcome", asked: list[str]) -> int:
        """The units not shown yet, why they are not ready, and what to do. Returns the exit code."""
        for unit in outcome.units:
            if unit["unit"] not in self._shown:
                self.console.result(unit_line(unit, self.profile))
        for unit in outcome.unwell:
            for line in tail_lines(unit):
                self.console.say(line)
        for problem in (problem for unit in outcome.units for problem in unit.get("problems", ())):
            self.console.warn(str(problem["message"]))
        for line in (*hint_lines(outcome.units), *problem_hints(outcome.units)):
            self.console.say(line)
        return Exit.FAILURE if outcome.missed(asked) else Exit.OK
