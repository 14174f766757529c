"""What an upstream's status means for the request that met it: one table."""

from enum import StrEnum


class Outcome(StrEnum):
    """The class of an answer; all but `SUCCESS` and `REQUEST` let the next candidate try."""

    SUCCESS = "success"
    REQUEST = "request"  # the caller's own fault: returned as it is
    OUTAGE = "outage"
    THROTTLE = "throttle"
    EXHAUSTED = "exhausted"
    CREDENTIAL = "credential"


_BY_STATUS = {
    401: Outcome.CREDENTIAL,
    402: Outcome.EXHAUSTED,
    403: Outcome.CREDENTIAL,
    408: Outcome.OUTAGE,
    429: Outcome.THROTTLE,
}


def classify(status: int) -> Outcome:
    """The outcome that an HTTP status stands for."""
    if 200 <= status < 300:
        return Outcome.SUCCESS
    if status >= 500 or 300 <= status < 400:
        return Outcome.OUTAGE
    return _BY_STATUS.get(status, Outcome.REQUEST)


def may_rotate(outcome: Outcome) -> bool:
    """Whether another candidate may answer the same request."""
    return outcome not in {Outcome.SUCCESS, Outcome.REQUEST}
