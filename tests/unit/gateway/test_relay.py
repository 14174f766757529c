"""The order in which candidates are asked, and how failures are told."""

import pytest

from llm_router.gateway.relay import network_failure, unavailable, walk
from llm_router.gateway.upstream import Reason, UpstreamFailure
from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, Policy, TranslatorSettings

A, B, C = Candidate("up", "a"), Candidate("up", "b"), Candidate("up", "c")


def plan(fallbacks: dict[str, str], **models: tuple[Candidate, ...]) -> Plan:
    held = tuple(Model(name, candidates) for name, candidates in models.items())
    return Plan("p", GatewaySettings(), TranslatorSettings(), {}, held, Policy(fallbacks=fallbacks))


@pytest.mark.parametrize(
    ("fallbacks", "expected"),
    [
        ({}, [A, B]),
        ({"x": "y"}, [A, B, C]),
        ({"x": "y", "y": "x"}, [A, B, C]),
        ({"x": "x"}, [A, B]),
        ({"x": "nobody"}, [A, B]),
        ({"y": "x"}, [A, B]),
    ],
)
def test_the_walk(fallbacks: dict[str, str], expected: list[Candidate]):
    """Candidates in order, then those of the fallbacks, each once; a ring of fallbacks ends."""
    assert list(walk(plan(fallbacks, x=(A, B, A), y=(B, C)), "x")) == expected


def test_nobody():
    """A model that nobody answers for has no candidates."""
    assert list(walk(plan({}), "x")) == []


@pytest.mark.parametrize("reason", list(Reason))
def test_network_failures(reason: Reason):
    """A time-out is 504; everything else is 503, to be tried again."""
    failure = network_failure("up", UpstreamFailure(reason, "why"))

    if reason in {Reason.CONNECT_TIMEOUT, Reason.FIRST_BYTE_TIMEOUT, Reason.IDLE_TIMEOUT}:
        assert (failure.status, failure.code, failure.retry_after) == (504, "timeout", None)
    else:
        assert failure == unavailable("`up` cannot be reached: why")
