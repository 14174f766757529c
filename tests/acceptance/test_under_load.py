"""What a client notices while profiles are set and processes are killed: 50 requests a second in both lanes."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.load import Load, Outcome, Target, failures, summary
from support.product import Product, free_ports

pytestmark = [pytest.mark.timeout(540)]

QUESTION = [{"role": "user", "content": "hello"}]
PLAIN_A_SECOND, STREAMED_A_SECOND = 20.0, 5.0
SWAPS = 10


def lane(name: str, path: str, end: str) -> tuple[Target, Target]:
    """25 requests a second, some of them streamed; `end` stands at the end of a whole stream."""
    body = {"model": "lab", "messages": QUESTION, "max_tokens": 64}
    return (
        Target(name, path, body, PLAIN_A_SECOND, "you said: hello"),
        Target(name, path, {**body, "stream": True}, STREAMED_A_SECOND, end),
    )


# The one upstream speaks messages: messages go straight through, chat goes through LiteLLM.
DIRECT = lane("direct", "/v1/messages", "message_stop")
TRANSLATED = lane("translated", "/v1/chat/completions", "[DONE]")
# One answer that streams for about a minute, longer than several profiles are in force.
LONG_QUESTION = f"[[fault: token_delay=2]] {' '.join(str(number) for number in range(1, 31))}"
LONG_ANSWER = Target(
    "long answer",
    "/v1/chat/completions",
    {"model": "lab", "messages": [{"role": "user", "content": LONG_QUESTION}], "stream": True},
    0.001,
    "[DONE]",
)

CONFIGURATION: dict[str, Any] = {
    "providers": {"lab": {"kind": "sandbox", "wires": ["messages"]}},
    "models": {"lab": "lab/echo-1"},
    "profiles": {
        "one": {"models": {"extra": "lab/echo-2"}},
        "other": {"models": {"extra": "lab/echo-3"}},
    },
    "profile": "one",
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A router that is up, both lanes ready."""
    port, translator_port = free_ports(2)
    made = Product(tmp_path_factory.mktemp("load"), port, translator_port)
    made.configure(CONFIGURATION)
    try:
        made.bring_up()
        yield made
    finally:
        made.take_down()


def load_on(product: Product, *more: Target, keep_alive: bool = True) -> Load:
    """25 requests a second in each lane, and what a test adds."""
    return Load(product.base_url, unlimited_key(product), (*DIRECT, *TRANSLATED, *more), keep_alive=keep_alive)


def unlimited_key(product: Product) -> str:
    """A client key that allows what this load asks for; the local one is limited as an agent's."""
    kept = product.folder / "load.key"
    if not kept.exists():
        made = product.run("key", "create", "load", "--preset", "agent", "--rate", "0", "--concurrency", "0")
        kept.write_text(made.stdout)
    return kept.read_text().strip()


async def pid_of(product: Product, unit: str) -> int:
    """The process that is the unit now."""
    report = await asyncio.to_thread(product.unit, unit)
    return int(report["pid"])


def kill(pid: int) -> tuple[float, float]:
    """SIGKILL; the moments (monotonic seconds) just before and just after."""
    before = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    return before, time.monotonic()


def of_lane(name: str, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of one lane."""
    return [outcome for outcome in outcomes if outcome.lane == name]


async def test_setting_profiles_fails_no_request(product: Product):
    """Ten profiles set one after the other, each with another LiteLLM: no request fails, however long its answer."""
    pids = [await pid_of(product, "litellm")]
    async with load_on(product, LONG_ANSWER) as load:
        await load.answers(50, within=30)
        for number in range(SWAPS):
            await asyncio.to_thread(product.run, "profile", "set", ("other", "one")[number % 2])
            pids.append(await pid_of(product, "litellm"))
        await load.answers(50, within=30)

    assert load.sent == len(load.outcomes)
    assert failures(load.outcomes) == [], summary(load.outcomes)
    assert [outcome.seconds > 60 for outcome in of_lane("long answer", load.outcomes)] == [True]
    assert len(set(pids)) == SWAPS + 1, "LiteLLM was not replaced by every profile"
    assert product.json("profile", "current")["profile"] == "one"


async def test_a_killed_gateway_serves_again_within_a_second(product: Product):
    """kill -9 of the gateway: no connection is refused, only requests in flight fail, and it is soon back."""
    pid = await pid_of(product, "gateway")
    async with load_on(product, keep_alive=False) as load:
        await load.answers(100, within=30)
        before, after = kill(pid)
        await load.answers(150, within=60)

    failed = failures(load.outcomes)
    later = [outcome.ended for outcome in load.outcomes if outcome.began > after and outcome.lane == "direct"]
    assert [outcome for outcome in failed if not outcome.in_flight_at(before)] == [], summary(load.outcomes)
    assert [outcome for outcome in load.outcomes if "refused" in outcome.error.lower()] == []
    assert min(later) - after < 1.0, summary(load.outcomes)
    assert await pid_of(product, "gateway") != pid


async def test_a_killed_litellm_is_waited_for(product: Product):
    """kill -9 of LiteLLM: the same-format lane does not notice, translated requests wait and are answered."""
    pid = await pid_of(product, "litellm")
    async with load_on(product) as load:
        await load.answers(100, within=30)
        before, after = kill(pid)
        await asyncio.to_thread(product.run, "health", "--wait", "60")
        await load.answers(150, within=60)

    direct, translated = of_lane("direct", load.outcomes), of_lane("translated", load.outcomes)
    assert failures(direct) == [], summary(load.outcomes)
    assert max(outcome.seconds for outcome in direct) < 1.0, summary(load.outcomes)
    assert [outcome for outcome in failures(translated) if not outcome.in_flight_at(before)] == [], summary(translated)
    waited = [outcome for outcome in translated if outcome.began > after and outcome.seconds > 1.0]
    assert waited, "no translated request had to wait"
    assert await pid_of(product, "litellm") != pid
