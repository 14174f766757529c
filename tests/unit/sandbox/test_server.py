"""Sockets and settings of the sandbox's process."""

import socket

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox import server


def test_wires_from_the_environment():
    """All, or those that are named."""
    assert server.wires_from({}) == frozenset(Wire)
    assert server.wires_from({server.WIRES: "chat, messages"}) == {Wire.CHAT, Wire.MESSAGES}
    with pytest.raises(server.SandboxUsageError, match="names `talk`, which is no wire; known: chat, responses"):
        server.wires_from({server.WIRES: "chat,talk"})


def test_an_inherited_socket():
    """The descriptor that is named for the sandbox is taken, another is not."""
    with server.listen("127.0.0.1", 0) as listener:
        taken = server.inherited({server.LISTEN_FDS: f"gateway=99,sandbox={listener.fileno()}"})
        assert taken is not None
        assert server.url(taken) == server.url(listener)
        taken.detach()
    assert server.inherited({server.LISTEN_FDS: "gateway=3"}) is None
    assert server.inherited({}) is None
    for wrong in ("sandbox=x", "sandbox=", "sandbox=999999"):
        with pytest.raises(server.SandboxUsageError):
            server.inherited({server.LISTEN_FDS: wrong})


def test_a_taken_port():
    """One sentence, and how to choose another."""
    with server.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(server.SandboxAddressError) as refused:
            server.listen("127.0.0.1", port)

    assert refused.value.message == f"The sandbox cannot listen on port {port} of 127.0.0.1"
    assert refused.value.hints == ("Choose another port: `router sandbox --port 0` takes a free one",)


def test_only_this_machine():
    """It wants no key, so it is not for others."""
    with pytest.raises(server.SandboxAddressError, match=r"not on `0\.0\.0\.0`"):
        server.listen("0.0.0.0", 0)


def test_addresses():
    """IPv6 addresses stand in brackets."""
    with server.listen("127.0.0.1", 0) as listener:
        assert server.url(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
    if socket.has_ipv6:
        with server.listen("::1", 0) as listener:
            assert server.url(listener) == f"http://[::1]:{listener.getsockname()[1]}"
