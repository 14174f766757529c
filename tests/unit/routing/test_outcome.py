"""What a status means."""

import pytest

from llm_router.routing.outcome import Outcome, classify, may_rotate


@pytest.mark.parametrize(
    ("statuses", "outcome", "rotates"),
    [
        ((200, 201, 204, 299), Outcome.SUCCESS, False),
        ((400, 404, 405, 409, 413, 422), Outcome.REQUEST, False),
        ((301, 307, 408, 500, 502, 503, 529, 599), Outcome.OUTAGE, True),
        ((429,), Outcome.THROTTLE, True),
        ((402,), Outcome.EXHAUSTED, True),
        ((401, 403), Outcome.CREDENTIAL, True),
    ],
)
def test_classes(statuses: tuple[int, ...], outcome: Outcome, rotates: bool):
    """The caller's own faults never rotate; all else but success may."""
    assert {outcome} == {classify(status) for status in statuses}
    assert rotates is may_rotate(outcome)
