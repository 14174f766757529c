"""W3C trace context, as far as a gateway needs it."""

import pytest

from llm_router.wire.reply_headers import TraceParent, read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_read_and_passed_on():
    """The caller's trace goes on, with a new parent."""
    found = read_traceparent(f" 00-{TRACE}-{SPAN}-01 ")

    assert TraceParent(TRACE, SPAN, "01") == found
    assert str(found.child("b7ad6b7169203331")) == f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_later_version():
    """A version to come may say more; what is known is read."""
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01-what-comes") == TraceParent(TRACE, SPAN, "01")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\r\nx: y",
    ],
)
def test_no_trace(value: str):
    """What is not a trace context counts as absent."""
    assert read_traceparent(value) is None
