"""How often and after what pause a failed connection is tried again. Decisions on values."""

from dataclasses import dataclass

SHARE = 0.2  # retries that traffic may carry: one for each five requests
MOST_SAVED = 50.0
FLOOR = 10.0  # so that the first failures of a quiet day are retried
PAUSES = (1.0, 2.0, 4.0)  # seconds
JITTER = 0.2  # of the pause, to either side


@dataclass(slots=True)
class RetryBudget:
    """Requests earn, retries spend: an outage is not made worse by everybody trying again."""

    saved: float = FLOOR

    def earn(self) -> None:
        """A request has come."""
        self.saved = min(self.saved + SHARE, MOST_SAVED)

    def spend(self) -> bool:
        """Whether a retry may be made; it is counted if so."""
        if self.saved < 1.0:
            return False
        self.saved -= 1.0
        return True


def pause(tries: int, chance: float) -> float:
    """Seconds to wait after `tries` earlier rounds; `chance` is between 0 and 1."""
    base = PAUSES[min(tries, len(PAUSES) - 1)]
    return base * (1.0 - JITTER + 2.0 * JITTER * chance)
