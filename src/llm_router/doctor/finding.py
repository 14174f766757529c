"""What a check is and what it finds: plain values, with no idea of how they are shown."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from llm_router.doctor.context import Context

FIRST_LINES = 8  # of evidence; the rest is counted


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # something does not work
    WARNING = "warning"  # it works, and will not, or not as it was meant
    INFO = "info"  # worth knowing; a home with nothing else is healthy

    @property
    def rank(self) -> int:
        """Errors first."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `code` is stable: `--json`, docs and the rehearsal use it."""

    code: str
    severity: Severity
    title: str
    cause: str  # one sentence, no full stop
    evidence: tuple[str, ...] = ()
    fix: str = ""  # what to run
    unharmed: str = ""  # what works all the same
    mendable: bool = True  # whether `--fix` may mend it; only a check that has a `mend` does

    def as_json(self) -> dict[str, object]:
        """A row of `findings` in `router doctor --json`."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "title": self.title,
            "cause": self.cause,
            "evidence": list(self.evidence),
            "fix": self.fix,
            "unharmed": self.unharmed,
            "mendable": self.mendable,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Looks for one cause. When one of `depends_on` has found its own, this one stays quiet: it would only repeat it.

    `examine` changes nothing. `mend` repairs what is safe to repair and says what it did, in the past tense; it may
    raise RouterError or OSError.
    """

    code: str
    about: str  # what it looks at, for `--list`
    examine: Callable[[Context], Finding | None]
    mend: Callable[[Context], str] | None = None
    depends_on: tuple[str, ...] = ()
    limit: float = 5.0  # seconds after which nobody waits for it


def shown(lines: list[str]) -> tuple[str, ...]:
    """Evidence of a bounded length."""
    more = len(lines) - FIRST_LINES
    return tuple(lines) if more <= 0 else (*lines[:FIRST_LINES], f"and {more} more")
