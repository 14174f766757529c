"""Names and addresses of upstreams: tried side by side, remembered, and forgotten when they fail."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from support.scripted import OK, answers, scripted

from llm_router.gateway.http_names import Address, Names, first_to_connect, interleaved


@pytest.fixture
def refused() -> Iterator[Address]:
    """An address where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield socket.AF_INET, held.getsockname()


@pytest.fixture
def mute() -> Iterator[Address]:
    """An address where connections are neither taken nor refused."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(4)]
        for waiting in held:
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield socket.AF_INET, full.getsockname()
        for waiting in held:
            waiting.close()


async def test_refused_address_is_passed_over(refused: Address):
    """The next address is tried at once when one refuses."""
    async with scripted(answers(OK)) as server:
        with await first_to_connect([refused, refused, (socket.AF_INET, ("127.0.0.1", server.port))]) as held:
            assert ("127.0.0.1", server.port) == held.getpeername()


async def test_mute_address_holds_nobody_up(mute: Address):
    """The next address has its turn after a quarter of a second."""
    async with scripted(answers(OK)) as server:
        with await first_to_connect([mute, (socket.AF_INET, ("127.0.0.1", server.port))]) as held:
            assert ("127.0.0.1", server.port) == held.getpeername()

    assert server.connections == 1


async def test_all_refused(refused: Address):
    """When every address fails, the last failure is told."""
    with pytest.raises(ConnectionRefusedError):
        await first_to_connect([refused, refused])


async def test_cancelled_race_leaves_no_socket(mute: Address, refused: Address):
    """Whoever gives up waiting leaves nothing behind; an open socket would be a warning, which fails the test."""
    racing = asyncio.ensure_future(first_to_connect([mute, mute]))
    await asyncio.wait([racing], timeout=0.3)
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing


async def test_many_ask_for_one_name():
    """Parallel callers share one look-up; one who leaves takes nothing from the others."""
    names = Names()
    calls = [asyncio.ensure_future(names.addresses("localhost", 80)) for _ in range(20)]
    await asyncio.wait(calls, timeout=0)
    calls[0].cancel()
    found = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert all(addresses is found[1] for addresses in found[2:])
    assert (socket.AF_INET, ("127.0.0.1", 80)) in found[1]
    assert await names.addresses("localhost", 80) is found[1]
    names.forget("localhost", 80)
    assert await names.addresses("localhost", 80) is not found[1]


async def test_unknown_name():
    """A name that stands for nothing is a look-up's failure, each time."""
    names = Names()
    for name in ("nothing-here.invalid", "a" * 70 + ".invalid", "two..dots"):
        for _ in range(2):
            with pytest.raises(socket.gaierror):
                await names.addresses(name, 80)


def test_families_in_turn():
    """The preferred family comes first, then each in turn."""
    six, four = socket.AF_INET6, socket.AF_INET
    assert [(six, (1,)), (four, (3,)), (six, (2,)), (four, (4,))] == interleaved(
        [(six, (1,)), (six, (2,)), (four, (3,)), (four, (4,))]
    )
    assert interleaved([]) == []
