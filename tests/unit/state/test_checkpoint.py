"""What outlives a gateway: after an end, after a kill, with damaged files, on a full disk, with clocks that jump."""

import asyncio
import json
import os
import stat
from dataclasses import replace

import pytest

from llm_router.home import Home
from llm_router.routing.health import Health, State
from llm_router.routing.limits import UNLIMITED, Ask, Limit, Refused
from llm_router.state.checkpoint import Keeper
from llm_router.state.memory import MemoryStore
from llm_router.state.memory_limits import Clocks
from llm_router.state.port import Admitted, SessionUse

LIMITS = replace(UNLIMITED, requests_per_minute=3, session_tokens=1000)
ASK = Ask("app", "s1", LIMITS, tokens=100)
DEGRADED = Health(State.DEGRADED, "outage", 3, 1, since=1.0, until=31.0)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.create()
    return made


class Events(list):
    """What the keeper told."""

    def __call__(self, event, detail):
        self.append((event, detail))


async def opened(home, *, events=None, clocks=None):
    keeper = Keeper(home, on_event=events if events is not None else Events())
    store = MemoryStore(keeper, clocks=clocks or Clocks())
    await store.open()
    return store


async def kill(store):
    """The process ends without a word: its task is gone and nothing more is written."""
    store._keeper._task.cancel()
    await asyncio.wait([store._keeper._task])
    store._keeper._release()


async def used(store):
    """Two requests, 700 tokens, a degraded account, a binding and a turn."""
    for charge in (300, 400):
        found = await store.admit(ASK)
        assert isinstance(found, Admitted)
        await store.finish(found, charge)
    await store.change_health("acme/large", lambda _: DEGRADED)
    await store.bind("s1", "acme/large")
    await store.turn("default")


async def check_limits(store):
    """The third request of the minute passes, the fourth does not, and the budget is what was left of it."""
    assert await store.session_use("app", "s1") == SessionUse(700, 0)
    assert await store.all_health() == {"acme/large": DEGRADED}
    found = await store.admit(ASK)
    assert isinstance(found, Admitted)
    refused = await store.admit(ASK)
    assert isinstance(refused, Refused)
    assert refused.limit is Limit.RATE


async def test_a_restart_changes_nothing(home):
    """Limits, health, bindings and turns go on."""
    first = await opened(home)
    await used(first)
    await first.close()

    second = await opened(home)

    assert (await second.affinity("s1"), await second.turn("default")) == ("acme/large", 1)
    await check_limits(second)
    await second.close()
    assert stat.S_IMODE((home.runtime / "gateway-state.json").stat().st_mode) == 0o600


async def test_a_kill_opens_no_limit(home):
    """Without any checkpoint the journal alone holds what was counted, charged and learnt of health."""
    first = await opened(home)
    await used(first)
    await kill(first)

    second = await opened(home)

    await check_limits(second)
    await second.close()


async def test_kills_in_a_row(home):
    """Each life adds to what the ones before left, checkpoint or not."""
    for number in range(1, 4):
        store = await opened(home)
        found = await store.admit(replace(ASK, tokens=1))
        assert isinstance(found, Admitted)
        await store.finish(found, 100)
        assert await store.session_use("app", "s1") == SessionUse(100 * number, 0)
        if number == 2:
            assert await store._keeper.checkpoint()
        await kill(store)

    last = await opened(home)

    assert isinstance(await last.admit(ASK), Refused)
    await last.close()
    assert len(list(home.runtime.glob("*.journal"))) == 1


async def test_a_line_that_was_cut_is_left_out(home):
    """The rest of the journal counts."""
    first = await opened(home)
    await used(first)
    await kill(first)
    journal = next(home.runtime.glob("*.journal"))
    journal.write_bytes(journal.read_bytes() + b'c 99999 "app/')

    second = await opened(home)

    assert await second.session_use("app", "s1") == SessionUse(700, 0)
    await second.close()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 99}', b'{"schema": 1, "journal": 1, "rates": 3}', b"\xff\xfe"]
)
async def test_a_damaged_checkpoint_is_moved_aside(home, content):
    """It is reported and kept for a look; the gateway starts."""
    path = home.runtime / "gateway-state.json"
    path.write_bytes(content)
    events = Events()

    store = await opened(home, events=events)
    found = await store.admit(ASK)

    assert isinstance(found, Admitted)
    assert [event for event, _ in events] == ["state_lost"]
    assert path.with_name("gateway-state.json.damaged").read_bytes() == content
    await store.close()


async def test_a_folder_that_cannot_be_written_is_said_once(home):
    """Requests are served all the same."""
    events = Events()
    keeper = Keeper(Home(home.root / "gone"), on_event=events)
    store = MemoryStore(keeper)
    await store.open()

    await used(store)
    assert not await keeper.checkpoint()

    assert [event for event, _ in events] == ["state_not_kept"]
    await store.close()


async def test_a_full_disk_under_the_journal(home):
    """Requests are served, it is said once, and what is written after there is room again can be read."""
    events = Events()
    store = await opened(home, events=events)
    journal, store._keeper._journal = store._keeper._journal, os.open("/dev/full", os.O_WRONLY)
    for _ in range(2):
        found = await store.admit(ASK)
        assert isinstance(found, Admitted)
        await store.finish(found, 300)
    assert [event for event, _ in events] == ["state_not_kept"]

    os.close(store._keeper._journal)
    store._keeper._journal = journal
    os.write(journal, b'c 300 "ap')
    found = await store.admit(ASK)
    assert isinstance(found, Admitted)
    await store.finish(found, 100)
    await kill(store)

    second = await opened(home)
    assert await second.session_use("app", "s1") == SessionUse(700, 0)
    await second.close()


@pytest.mark.parametrize("jump", [-(10**8), 0])
async def test_a_clock_set_back_between_two_lives(home, jump):
    """What was counted counts as of now: the window is as full as it was, and empty a minute later."""
    steady, wall = [5000.0], [1_800_000_000.0]
    clocks = Clocks(steady=lambda: steady[0], wall=lambda: wall[0])
    first = await opened(home, clocks=clocks)
    for _ in range(3):
        found = await first.admit(replace(ASK, tokens=1))
        assert isinstance(found, Admitted)
    await first.close()
    steady[0], wall[0] = 10.0, wall[0] + jump

    second = await opened(home, clocks=clocks)

    assert isinstance(await second.admit(ASK), Refused)
    steady[0] += 60
    assert isinstance(await second.admit(ASK), Admitted)
    await second.close()


async def test_a_clock_set_forward_forgets_no_budget(home):
    """A year between two lives is no year of idleness: a session's budget stays spent."""
    steady, wall = [5000.0], [1_800_000_000.0]
    clocks = Clocks(steady=lambda: steady[0], wall=lambda: wall[0])
    first = await opened(home, clocks=clocks)
    await used(first)
    await first.close()
    steady[0], wall[0] = 10.0, wall[0] + 365 * 86400

    second = await opened(home, clocks=clocks)
    await second.admit(replace(ASK, session="new"))

    assert await second.session_use("app", "s1") == SessionUse(700, 0)
    await second.close()


async def test_a_checkpoint_of_many_sessions_lets_others_run(home):
    """It is encoded in slices: a neighbour gets its turn many times meanwhile."""
    store = await opened(home)
    for number in range(20_000):
        found = await store.admit(Ask("app", f"{number:032x}", replace(UNLIMITED, session_tokens=1000), tokens=1))
        assert isinstance(found, Admitted)
        await store.finish(found, 5)
    turns = 0
    writing = asyncio.create_task(store._keeper.checkpoint(), name="checkpoint")
    while not writing.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 50
    held = json.loads((home.runtime / "gateway-state.json").read_bytes())
    assert len(held["sessions"]) == 20_000
    assert held["sessions"][0][:2] == [f"app/{0:032x}", 5]
    await store.close()


async def test_an_old_gateway_that_still_finishes_its_requests(home):
    """Two at a time keep journals apart, and only the older writes checkpoints, until it is gone."""
    old = await opened(home)
    held = await old.admit(ASK)
    assert isinstance(held, Admitted)
    new = await opened(home)
    other = await new.admit(replace(ASK, session="s2"))
    assert isinstance(other, Admitted)

    assert not await new._keeper.checkpoint()
    await old.finish(held, 300)
    await old.close()
    await new.finish(other, 50)
    assert await new._keeper.checkpoint()
    await kill(new)

    last = await opened(home)
    assert [await last.session_use("app", name) for name in ("s1", "s2")] == [SessionUse(300, 0), SessionUse(50, 0)]
    await last.close()
