"""Answers, fed to the parser in every cut that the wire can make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.gateway.http_answer import MOST_HEAD_BYTES, HttpAnswer, NotHttp

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def fed(*parts: bytes, no_body: bool = False) -> HttpAnswer:
    answer = HttpAnswer()
    answer.begin(no_body=no_body)
    for part in parts:
        answer.feed(part)
    return answer


@pytest.mark.parametrize(
    ("data", "status", "body", "complete", "keeps_alive"),
    [
        (b"", 0, b"", False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, b"", False, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", 200, b"ok", True, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", 200, b"ok", True, True),
        (b"HTTP/1.1 200 OK\r\n\r\nok", 200, b"ok", False, False),
        (CHUNKED + b"2\r\nok\r\n", 200, b"ok", False, True),
        (CHUNKED + b"2\r\nok\r\n0\r\nX: y\r\n\r\n", 200, b"ok", True, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True, True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b"", True, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 0, b"", False, False),
        (b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b"", True, True),
    ],
)
def test_framing(data: bytes, status: int, body: bytes, complete: bool, keeps_alive: bool):
    """Where an answer ends, and whether its connection goes on."""
    answer = fed(data)

    assert (status, complete, keeps_alive, len(body)) == (
        answer.status, answer.complete, answer.keeps_alive, answer.held,
    )  # fmt: skip
    assert (body, 0, b"") == (answer.take(), answer.held, answer.take())


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(1, 30), max_size=60))
def test_cuts_change_nothing(chunks: list[bytes], cuts: list[int]):
    """However a chunked answer is cut up, the same bytes come out."""
    data = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    answer, got = fed(), b""
    while data:
        size = cuts.pop() if cuts else len(data)
        answer.feed(data[:size])
        data = data[size:]
        got += answer.take()

    assert (b"".join(chunks), True, True) == (got, answer.complete, answer.keeps_alive)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes(first: bytes, second: bytes):
    """Noise is refused or taken in; nothing else happens, and it never makes an answer whole by itself."""
    answer = fed()
    try:
        answer.feed(b"HTTP/1.1 200 OK\r\n" + first)
        answer.feed(second)
    except NotHttp:
        assert not answer.complete
        assert not answer.keeps_alive


def test_one_after_another():
    """`begin` forgets the answer before."""
    answer = fed(b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nok")
    answer.begin(no_body=False)

    assert (answer.status, answer.headers, answer.held, answer.complete, answer.has_begun) == (0, [], 0, False, False)
    answer.feed(b"HTTP/1.1 201 Created\r\nC: d\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.headers, answer.complete) == (201, [("c", "d"), ("content-length", "0")], True)


def test_answer_to_head():
    """The body that a HEAD's answer announces does not come, and the next answer is read from its start."""
    answer = fed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", no_body=True)
    assert (answer.complete, answer.keeps_alive, answer.has_excess) == (True, True, False)

    answer.begin(no_body=False)
    answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
    assert (answer.complete, answer.take()) == (True, b"x")


@pytest.mark.parametrize("excess", [b"x", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny"])
@pytest.mark.parametrize("no_body", [False, True])
def test_excess(excess: bytes, no_body: bool):
    """What comes behind a whole answer ends the connection and is not read."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if no_body else b"ok")
    answer = fed(data + excess, no_body=no_body)

    assert (True, False, True, b"" if no_body else b"ok") == (
        answer.complete, answer.keeps_alive, answer.has_excess, answer.take(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", False),
        (CHUNKED + b"2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"", False),
    ],
)
def test_end_of_input(data: bytes, whole: bool):
    """Only an answer without any length may be ended by its connection."""
    answer = fed(data)

    assert (whole, whole, False) == (answer.end(), answer.complete, answer.keeps_alive)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 201 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 17,
        CHUNKED + b"1;" + b"x" * 70_000,
    ],
)
def test_out_of_bounds(data: bytes):
    """Too much, or nothing that an answer may be."""
    with pytest.raises(NotHttp):
        fed(data)


def test_bounds_hold_over_many_small_parts():
    """A head without an end is refused however slowly it grows."""
    answer = fed(b"HTTP/1.1 200 OK\r\nA:")
    for _ in range(MOST_HEAD_BYTES - 19):
        answer.feed(b"x")
    with pytest.raises(NotHttp):
        answer.feed(b"xx")
