"""Plans and translators in force, and when they are forgotten."""

import asyncio

from llm_router.gateway.state import GatewayState, Snapshot, Translator, digest
from llm_router.routing.plan import UNIT_URL, GatewaySettings, Plan, TranslatorSettings, Upstream, Wire
from llm_router.secrets.client_keys import ClientKeys
from llm_router.secrets.secret import Secret


def snapshot(name: str = "p", **fields: object) -> Snapshot:
    return Snapshot(Plan(name, GatewaySettings(), TranslatorSettings(), {}, ()), {}, ClientKeys(), **fields)  # type: ignore[arg-type]


def translator(generation: int, held: Snapshot) -> Translator:
    return Translator(generation, f"http://t{generation}", Secret("k"), digest(f"door-{generation}"), held)


def doors(state: GatewayState) -> list[int]:
    return [number for number in range(5) if state.translator_of_door(f"door-{number}") is not None]


def test_an_idle_generation_is_forgotten_when_a_newer_one_is_in_force():
    """Its door closes with it."""
    state, held = GatewayState(), snapshot()
    state.configure(held, translator(1, held))
    assert doors(state) == [1]

    state.configure(held, translator(2, held))

    assert doors(state) == [2]
    assert state.translators_in_flight() == {"2": 0}


def test_a_busy_generation_is_kept_until_it_is_idle():
    """What an old LiteLLM still does stays valid, with the plan it was started with."""
    state, old, new = GatewayState(), snapshot("old"), snapshot("new")
    first = translator(1, old)
    state.configure(old, first)
    first.take()
    state.configure(new, translator(2, new))
    assert doors(state) == [1, 2]
    assert state.translators_in_flight() == {"1": 1, "2": 0}
    assert state.translator_of_door("door-1") is first
    assert first.snapshot is old

    first.give_back()

    assert doors(state) == [2]
    assert state.translators_in_flight() == {"2": 0}


def test_a_generation_is_kept_while_none_is_in_force():
    """A translator that is being replaced keeps its door until the next one is there."""
    state, held = GatewayState(), snapshot()
    state.configure(held, translator(1, held))

    state.configure(held, None)

    assert state.translator is None
    assert doors(state) == [1]


def test_a_new_plan_for_the_same_process():
    """A plan that leaves LiteLLM alone keeps its count of requests in flight."""
    state, old, new = GatewayState(), snapshot("old"), snapshot("new")
    first = translator(1, old)
    state.configure(old, first)
    first.take()

    state.configure(new, translator(1, new))

    assert state.translator is first
    assert (first.snapshot, first.in_flight) == (new, 1)


def test_a_number_that_is_used_again():
    """Another process under the number of an earlier one is another process."""
    state, held = GatewayState(), snapshot()
    state.configure(held, translator(1, held))
    other = Translator(1, "http://other", Secret("k"), digest("other-door"), held)

    state.configure(held, other)

    assert state.translator is other
    assert (state.translator_of_door("door-1"), state.translator_of_door("other-door")) == (None, other)


async def test_configure_wakes_everybody_who_waits():
    """A waiting request learns of a translator at once, and each time anew."""
    state, held = GatewayState(), snapshot()
    for _ in range(2):
        waiting = [asyncio.create_task(state.changed(30), name=f"waiter-{number}") for number in range(3)]
        ready = asyncio.Event()
        asyncio.get_running_loop().call_soon(ready.set)
        await ready.wait()
        state.configure(held, None)
        assert await asyncio.gather(*waiting) == [True, True, True]


async def test_waiting_is_bounded():
    """Nobody waits longer than asked."""
    assert await GatewayState().changed(0.01) is False


def test_addresses_and_usability():
    """An upstream is usable with an address and, if it wants a key, that key."""
    held = snapshot(endpoints={"sandbox": "http://127.0.0.1:1"})
    plain = Upstream("a", "openai", "http://a", (Wire.CHAT,))
    unit = Upstream("s", "sandbox", f"{UNIT_URL}sandbox", (Wire.CHAT,))
    absent = Upstream("l", "sandbox", f"{UNIT_URL}local", (Wire.CHAT,))
    keyed = Upstream("k", "openai", "http://k", (Wire.CHAT,), key="env:K")

    assert [held.base_url(upstream) for upstream in (plain, unit, absent)] == ["http://a", "http://127.0.0.1:1", None]
    assert [held.is_usable(upstream) for upstream in (plain, unit, absent, keyed)] == [True, True, False, False]
