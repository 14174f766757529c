"""In which order candidates are asked, and what is said of each."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from llm_router.routing.health import HEALTHY, Availability, Health, HealthPolicy, State, begin_probe, failed, paused
from llm_router.routing.order import Standing, choose, nearest_chance
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Candidate, Strategy

A, B, C = (Candidate(name, "m") for name in "abc")
POLICY = HealthPolicy()
NOW = 1000.0
DEGRADED = Health(State.DEGRADED, "outage", 3, 1, since=NOW - 10, until=NOW + 20)
DUE = Health(State.DEGRADED, "outage", 3, 1, since=NOW - 40, until=NOW - 10)


def order(*standings: Standing, strategy: Strategy = Strategy.AS_LISTED, **more: object) -> list[str]:
    choices = choose(standings, strategy, POLICY, now=NOW, **more)  # type: ignore[arg-type]
    return [choice.candidate.upstream for choice in choices]


def test_as_listed_with_skipped_ones_last():
    """What may be called comes first; one that needs a probe keeps its place."""
    choices = choose(
        [Standing(A, DEGRADED), Standing(B, DUE), Standing(C, HEALTHY)], Strategy.AS_LISTED, POLICY, now=NOW
    )

    assert [(choice.candidate, choice.availability, choice.reason, choice.next_chance) for choice in choices] == [
        (B, Availability.PROBE, "degraded: this request is the probe", 0.0),
        (C, Availability.OPEN, "healthy", 0.0),
        (A, Availability.CLOSED, "degraded (outage) for another 20 s", 20.0),
    ]


def test_round_robin():
    """Each turn begins with the next, and the rest follow in their order."""
    standings = [Standing(one, HEALTHY) for one in (A, B, C)]

    turns = ["".join(order(*standings, strategy=Strategy.ROUND_ROBIN, turn=turn)) for turn in range(4)]
    assert turns == ["abc", "bca", "cab", "abc"]


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5), st.integers(0, 10**6))
def test_weighted(weights: list[int], begin: int):
    """Each comes first as often as its weight says, whichever turn one begins with; weight 0 never does."""
    standings = [Standing(Candidate(str(at), "m"), HEALTHY, weight) for at, weight in enumerate(weights)]
    total = sum(weights)
    turns = 400
    first = Counter(order(*standings, strategy=Strategy.WEIGHTED, turn=begin + turn)[0] for turn in range(turns))

    for at, weight in enumerate(weights):
        share = weight / total if total else float(at == 0)
        assert abs(first[str(at)] - share * turns) <= 8
    assert all(len(order(*standings, strategy=Strategy.WEIGHTED, turn=turn)) == len(weights) for turn in range(3))


def test_cheapest_and_fastest():
    """What is not known comes last for prices, and first, once, for times."""
    priced = [Standing(A, HEALTHY, cost=None), Standing(B, HEALTHY, cost=2.0), Standing(C, HEALTHY, cost=0.0)]
    timed = [Standing(A, HEALTHY, latency=0.9), Standing(B, HEALTHY, latency=0.2), Standing(C, HEALTHY)]

    assert order(*priced, strategy=Strategy.CHEAPEST) == ["c", "b", "a"]
    assert order(*timed, strategy=Strategy.FASTEST) == ["c", "b", "a"]


def test_a_bound_session():
    """Its account comes first if it may be called at all."""
    assert order(Standing(A, HEALTHY), Standing(B, HEALTHY), bound=B) == ["b", "a"]
    assert order(Standing(A, HEALTHY), Standing(B, DEGRADED), bound=B) == ["a", "b"]
    choices = choose([Standing(A, HEALTHY), Standing(B, HEALTHY)], Strategy.AS_LISTED, POLICY, now=NOW, bound=B)
    assert choices[0].reason == "the session is bound to it"


def test_reasons_and_chances():
    """A person's pause has no end; the nearest chance is that of the first to open."""
    standings = [
        Standing(A, paused(HEALTHY, NOW, "on holiday")),
        Standing(B, begin_probe(DUE, NOW - 100)),
        Standing(C, failed(HEALTHY, Outcome.EXHAUSTED, NOW, POLICY, wait=300)),
    ]
    choices = choose(standings, Strategy.AS_LISTED, POLICY, now=NOW)

    assert [choice.reason for choice in choices] == [
        "paused (on holiday) until it is resumed",
        "half-open (outage) for another 20 s",
        "cooling (exhausted) for another 300 s",
    ]
    assert nearest_chance(choices) == 20
    assert nearest_chance(choices[:1]) is None
    assert nearest_chance([]) is None


@given(
    st.permutations([A, B, C]),
    st.lists(st.sampled_from([HEALTHY, DEGRADED, DUE]), min_size=3, max_size=3),
    st.sampled_from(list(Strategy)),
    st.integers(0, 100),
    st.sampled_from([None, A, B, C]),
)
def test_nobody_is_lost_and_nobody_comes_twice(
    listed: list[Candidate], healths: list[Health], strategy: Strategy, turn: int, bound: Candidate | None
):
    """Every order holds everybody, those that may be called before those that may not."""
    standings = [Standing(one, health) for one, health in zip(listed, healths, strict=True)]
    choices = choose(standings, strategy, POLICY, now=NOW, bound=bound, turn=turn)

    assert {choice.candidate for choice in choices} == set(listed)
    assert len(choices) == 3
    assert [choice.is_skipped for choice in choices] == sorted(choice.is_skipped for choice in choices)
