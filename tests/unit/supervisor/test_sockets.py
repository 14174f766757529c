"""The doors: bound once, held, and let go."""

import os
import socket

import pytest

from llm_router.supervisor.sockets import AddressUnusable, HeldSockets, PortInUse, bind, free_port, owner_of, url_of


def test_held_sockets_are_bound_once() -> None:
    """The same name is the same socket, and its address is known before anybody serves it."""
    held = HeldSockets()
    first = held.open("sandbox", "127.0.0.1", 0)
    assert held.open("sandbox", "127.0.0.1", 0) is first
    port = first.getsockname()[1]
    assert (held.has("sandbox"), held.url("sandbox"), held.url("other")) == (True, f"http://127.0.0.1:{port}", "")
    with socket.create_connection(("127.0.0.1", port)):
        pass
    held.close("sandbox", "other")
    assert (held.has("sandbox"), first.fileno()) == (False, -1)


def test_a_port_can_be_taken_again_at_once() -> None:
    """Connections of the one before, still closing, do not hold it up."""
    port = free_port()
    listener = bind("gateway", "localhost", port)
    with socket.create_connection(("127.0.0.1", port)) as client:
        server, _ = listener.accept()
        server.close()
        listener.close()
        bind("gateway", "127.0.0.1", port).close()
        assert client.recv(1) == b""


def test_a_taken_port_names_its_owner() -> None:
    """Pid and command, and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        with pytest.raises(PortInUse) as taken:
            bind("translator", "127.0.0.1", port)
        assert owner_of(port).startswith(f"pid {os.getpid()}, ")
    assert taken.value.message == f"Port {port} on 127.0.0.1, the translator's door, is in use by {taken.value.owner}"
    assert taken.value.hints == (
        "Choose another: `litellm.port` in router.yaml, or ROUTER_LITELLM_PORT=4001 router up",
    )
    assert taken.value.unharmed == "Nothing was started"


def test_an_address_of_another_machine() -> None:
    """It cannot be listened on, and the error says which setting to change."""
    with pytest.raises(AddressUnusable) as unusable:
        bind("gateway", "192.0.2.1", 8317)
    assert unusable.value.message == (
        "The gateway's door cannot listen on 192.0.2.1:8317: cannot assign requested address"
    )


def test_urls() -> None:
    """What clients are told: brackets for IPv6, this machine for a wildcard."""
    assert [url_of(host, 1) for host in ("127.0.0.1", "::1", "0.0.0.0", "::")] == [
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://127.0.0.1:1",
        "http://[::1]:1",
    ]


def test_a_port_taken_by_another_router() -> None:
    """The first thing to do is to stop that one."""
    taken = PortInUse("gateway", ("127.0.0.1", 8317), "pid 7, python -P -m llm_router.gateway")

    assert taken.hints[0] == "That is another router: run `router down` in the folder it was started from"
