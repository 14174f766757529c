"""Who may be asked for a model, in which order, and what the selector learns."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.answers import Books

from llm_router.gateway.affinity import Binding
from llm_router.gateway.selector import Options, Selector, Way, walk
from llm_router.gateway.story import Story
from llm_router.routing.health import Availability, State
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import (
    Billing,
    Candidate,
    GatewaySettings,
    Lane,
    Model,
    Plan,
    Policy,
    Strategy,
    TranslatorSettings,
    Upstream,
    Wire,
)
from llm_router.state.memory import MemoryStore
from llm_router.state.memory_limits import Clocks

A, B, C = Candidate("a", "m"), Candidate("b", "m"), Candidate("c", "m")
CHEAP = Candidate("b", "small")


def plan(*candidates: Candidate, plans: str = "", more: tuple[Model, ...] = (), **policy: object) -> Plan:
    """The model `x`, answered by `candidates`; upstreams a, b, c, of which those in `plans` are plan accounts."""
    upstreams = {
        name: Upstream(
            *(name, "openai", f"http://{name}/v1", (Wire.CHAT,)),
            billing=Billing.PLAN if name in plans else Billing.METERED,
        )
        for name in "abc"
    }
    policy = {"failures_until_degraded": 1, **policy}
    models = (Model("x", candidates), *more)
    return Plan("p", GatewaySettings(), TranslatorSettings(), upstreams, models, Policy(**policy))  # type: ignore[arg-type]


class Desk:
    """A selector with a clock that stands still until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.time = 1_700_000_000.0
        self.books = Books(folder)
        self.store = MemoryStore(clocks=Clocks(steady=lambda: self.time, wall=lambda: self.time))
        self.selector = Selector(self.store, self.books.recorder)
        self.story = Story("trace-1", 0.0, self.time, Wire.CHAT, "x")

    async def names(self, held: Plan, **more: object) -> str:
        options = await self.options(held, **more)
        return "".join(way.candidate.upstream for way in options.ways)

    async def options(self, held: Plan, wire: Wire = Wire.CHAT, model: str = "x", **more: object) -> Options:
        return await self.selector.options(held, wire, model, **more)  # type: ignore[arg-type]

    async def fail(self, held: Plan, candidate: Candidate, outcome: Outcome = Outcome.OUTAGE) -> None:
        await self.selector.failed(held, candidate, self.story, outcome, None, code="LLM_API_ERROR")

    def events(self) -> list[tuple[object, ...]]:
        return [(event["event"], event["result"], event["provider"]) for event in self.books.events()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    held = Desk(tmp_path)
    yield held
    held.books.ledger.close()


# --- who ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fallbacks", "expected"),
    [
        ({}, [(A, B)]),
        ({"x": "y"}, [(A, B), (C,)]),
        ({"x": "y", "y": "x"}, [(A, B), (C,)]),
        ({"x": "x"}, [(A, B)]),
        ({"x": "nobody"}, [(A, B)]),
        ({"y": "x"}, [(A, B)]),
    ],
)
def test_the_walk(fallbacks: dict[str, str], expected: list[tuple[Candidate, ...]]):
    """Candidates in order, then those of the fallbacks, each once; a ring of fallbacks ends."""
    assert walk(plan(A, B, A, more=(Model("y", (B, C)),), fallbacks=fallbacks), "x") == expected
    assert walk(plan(A), "unknown") == []


async def test_lanes(desk: Desk):
    """Another wire is translated; where no lane leads, that is said."""
    held = plan(A)

    assert (await desk.options(held)).ways == (Way(A, Lane.DIRECT, Availability.OPEN),)
    assert (await desk.options(held, Wire.MESSAGES)).ways == (Way(A, Lane.TRANSLATED, Availability.OPEN),)
    none = await desk.options(held, Wire.EMBEDDINGS)
    assert (none.ways, none.choices, none.laneless) == ((), (), (A,))


@pytest.mark.parametrize(
    ("candidates", "plans", "allowed", "kept", "held_back"),
    [
        ((A, B), "a", "abc", "a", (B,)),
        ((A, B, C), "ab", "abc", "ab", (C,)),
        ((A, B), "b", "abc", "ab", ()),  # what is listed before the plan account is meant to be paid
        ((A, B, C), "b", "abc", "ab", (C,)),
        ((A, B), "", "abc", "ab", ()),
        ((A, B), "ab", "abc", "ab", ()),
        ((A, B), "a", "b", "b", ()),  # the key may use the paid one only
    ],
)
async def test_no_move_from_plan_to_paid(
    desk: Desk, candidates: tuple[Candidate, ...], plans: str, allowed: str, kept: str, held_back: tuple[Candidate, ...]
):
    """What a subscription cannot answer is never put on a bill, unless the profile says so."""
    options = await desk.options(plan(*candidates, plans=plans), allows=lambda name: name in allowed)

    assert ("".join(way.candidate.upstream for way in options.ways), options.held_back) == (kept, held_back)
    assert await desk.names(plan(*candidates, plans=plans, plan_to_paid=True)) == "abc"[: len(candidates)]


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_no_order_puts_a_paid_account_behind_a_plan_account(desk: Desk, strategy: Strategy):
    """Neither a turn, nor an outage, nor a binding leads from plan to paid."""
    held = plan(A, B, C, plans="b", strategy=strategy)
    for turn in range(6):
        names = await desk.names(held, session=f"s{turn}")
        assert "c" not in names
        assert names in {"ab", "b"}
    await desk.store.bind("bound", str(Binding(B)))
    assert await desk.names(held, session="bound") == "b"

    only_plan_first = plan(B, A, plans="b", strategy=strategy)
    await desk.fail(only_plan_first, B)
    assert await desk.names(only_plan_first) == ""


async def test_scopes(desk: Desk):
    """A key for some providers sees nobody else, in a fallback neither; a lone one left counts as alone."""
    held = plan(A, B, more=(Model("y", (C,)),), fallbacks={"x": "y"})
    options = await desk.options(held, allows=lambda name: name == "b")

    assert ([way.candidate for way in options.ways], options.out_of_scope, options.is_single) == ([B], (A, C), True)
    nobody = await desk.options(held, allows=lambda _: False)
    assert (nobody.choices, nobody.out_of_scope) == ((), (A, B, C))


# --- order ----------------------------------------------------------------------------------------------------------


async def test_turns_are_each_models_own(desk: Desk):
    """Round-robin moves on by one for each request, whatever stands in the fallbacks."""
    held = plan(
        *(A, B), more=(Model("y", (C, CHEAP)),), strategy=Strategy.ROUND_ROBIN, fallbacks={"x": "y"}, affinity=False
    )

    assert [await desk.names(held) for _ in range(4)] == ["abcb", "babc", "abcb", "babc"]


async def test_the_fastest_is_measured(desk: Desk):
    """Who was never measured is asked once; then the smoothed time to the first byte decides."""
    held = plan(A, B, strategy=Strategy.FASTEST)
    await desk.selector.succeeded(A, desk.story, 0.5)
    assert await desk.names(held) == "ba"
    await desk.selector.succeeded(B, desk.story, 0.9)
    assert await desk.names(held) == "ab"
    for _ in range(10):
        await desk.selector.succeeded(A, desk.story, 3.0)
    assert await desk.names(held) == "ba"


async def test_sessions_stay(desk: Desk):
    """A session stays with its account; one without a name, and a profile without affinity, do not care."""
    held = plan(A, B)
    first = await desk.options(held, session="s")
    await desk.selector.bind(held, "s", B, first)

    assert await desk.names(held, session="s") == "ba"
    assert [await desk.names(held, session=other) for other in ("", "t")] == ["ab", "ab"]
    assert await desk.names(plan(A, B, affinity=False), session="s") == "ab"
    await desk.fail(held, B)
    options = await desk.options(held, session="s")
    assert ([way.candidate for way in options.ways], options.skipped_primary([A, B])) == ([A], B)


async def test_a_session_that_had_to_move(desk: Desk):
    """It stays where it is now, and is marked."""
    held = plan(A, B)
    await desk.selector.bind(held, "s", A, await desk.options(held, session="s"))
    await desk.fail(held, A)
    await desk.selector.bind(held, "s", B, await desk.options(held, session="s"))
    desk.time += 1000

    options = await desk.options(held, session="s")
    assert (options.binding, options.bound) == (Binding(B, is_mixed=True), B)
    assert [way.candidate for way in options.ways] == [B, A]


async def test_a_fallback_answers_only_as_long_as_it_must(desk: Desk):
    """A session that a cheaper model answered once goes back to its own model when that is there again."""
    held = plan(A, more=(Model("y", (CHEAP,)),), fallbacks={"x": "y"})
    await desk.selector.bind(held, "s", CHEAP, await desk.options(held, session="s"))

    assert await desk.names(held, session="s") == "ab"


async def test_a_binding_to_an_account_that_may_not_be_used(desk: Desk):
    """A session that was paid for before is not paid for any more, and nothing breaks."""
    held = plan(A, B, plans="a")
    await desk.store.bind("s", str(B))
    options = await desk.options(held, session="s")

    assert ([way.candidate for way in options.ways], options.skipped_primary([A, B])) == ([A], None)
    await desk.selector.bind(held, "s", A, options)
    assert (await desk.options(held, session="s")).binding == Binding(A, is_mixed=True)


# --- health ---------------------------------------------------------------------------------------------------------


async def test_one_probe_for_everybody(desk: Desk):
    """Of all requests that come when the cool-down is over one goes; the events tell the whole way."""
    held = plan(A, B)
    await desk.fail(held, A)
    assert await desk.names(held) == "b"
    desk.time += 31
    way = (await desk.options(held)).ways[0]
    assert way == Way(A, Lane.DIRECT, Availability.PROBE)

    claims = [await desk.selector.claim(held, way, desk.story) for _ in range(3)]
    assert claims == [True, False, False]
    await desk.selector.succeeded(A, desk.story, 0.1)

    assert await desk.names(held) == "ab"
    assert desk.events() == [
        ("account_health", "degraded", "a"),
        ("ai_provider_degraded", "degraded", "a"),
        ("ai_run_started", "started", "a"),
        ("ai_provider_half_open_probe", "started", "a"),
        ("account_health", "healthy", "a"),
        ("ai_provider_recovered", "recovered", "a"),
    ]
    degraded, recovered = desk.books.events()[1], desk.books.events()[-1]
    assert {"traceId": "trace-1", "failures": 1, "reason": "LLM_API_ERROR", "model": "m"}.items() <= degraded.items()
    assert (recovered["traceId"], recovered["fromHalfOpen"]) == ("trace-1", True)


async def test_a_probe_without_a_verdict(desk: Desk):
    """The next request may probe at once."""
    held = plan(A)
    await desk.fail(held, A)
    desk.time += 31
    way = (await desk.options(held)).ways[0]
    await desk.selector.claim(held, way, desk.story)
    assert await desk.names(held) == ""
    await desk.selector.abandoned(A)

    assert (await desk.options(held)).ways[0].availability is Availability.PROBE


async def test_health_is_of_a_model_not_of_an_account(desk: Desk):
    """One model's trouble leaves the account's other models alone."""
    held = plan(B, CHEAP)
    await desk.fail(held, B, Outcome.THROTTLE)

    assert [way.candidate for way in (await desk.options(held)).ways] == [CHEAP]
    assert (await desk.store.all_health())[str(B)].state is State.COOLING
