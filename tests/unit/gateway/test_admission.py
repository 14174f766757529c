"""Who may come in."""

import pytest

from llm_router.errors import RouterError
from llm_router.gateway import admission
from llm_router.gateway.state import Snapshot
from llm_router.routing.limits import UNLIMITED
from llm_router.routing.plan import GatewaySettings, Plan, TranslatorSettings
from llm_router.secrets.client_keys import AGENT, ClientKey, ClientKeys, digest
from llm_router.wire.errors import Failure

SETTINGS = GatewaySettings(
    host="192.168.1.5",
    allowed_hosts=("Router.lan",),
    allowed_origins=("http://localhost:3000",),
    client_keys=("env:K",),
)


def known(key: str) -> ClientKey:
    return ClientKey(key, digest(key), key[-4:], "", AGENT, UNLIMITED)


def snapshot(*keys: str, problems: tuple[RouterError, ...] = ()) -> Snapshot:
    held = ClientKeys({digest(key): known(key) for key in keys}, problems=problems)
    return Snapshot(Plan("p", SETTINGS, TranslatorSettings(), {}, ()), {}, held)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8317",
        "127.0.0.1",
        "127.0.0.1:8317",
        "[::1]",
        "[::1]:8317",
        "::1",
        "192.168.1.5:8317",
        "10.0.0.7",  # the address the connection came in on
        "router.lan",
        "ROUTER.LAN:80",
    ],
)
def test_hosts_that_are_ours(host: str):
    """Loopback in every form, the address itself, and what is allowed by name."""
    assert admission.check_origin({"host": host}, SETTINGS, "10.0.0.7") is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8317",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8317",
        "evil.example:127.0.0.1",
        "[::2]:8317",
        "[evil.example]:8317",
        "localhost, evil.example",
        "localhost@evil.example",
        "127.0.0.2",
        "router.lan.evil.example",
    ],
)
def test_hosts_that_are_not(host: str):
    """A page that points its own name at this machine is refused."""
    refused = admission.check_origin({"host": host} if host else {}, SETTINGS, "10.0.0.7")

    assert refused is not None
    assert (refused.status, refused.code) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("http://localhost:3001", False),
        ("https://localhost:3000", False),
        ("http://localhost", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins(origin: str, allowed: bool):
    """A browser page comes in only when its origin is allowed; programs send none."""
    refused = admission.check_origin({"host": "localhost", "origin": origin}, SETTINGS, "127.0.0.1")

    assert (refused is None) is allowed
    assert refused is None or (refused.status, refused.code) == (403, "origin_not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer good"},
        {"authorization": "bearer  good "},
        {"x-api-key": "good"},
        {"x-api-key": " good "},
        {"authorization": "Basic eHg=", "x-api-key": "good"},
        {"x-api-key": "other"},
    ],
)
def test_keys_that_open(headers: dict[str, str]):
    """Both ways of showing a key, and every client key."""
    found = admission.check_key(headers, snapshot("good", "other"))

    assert found == known("other" if headers.get("x-api-key") == "other" else "good")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "No key was sent"),
        ({"authorization": "Bearer "}, "No key was sent"),
        ({"authorization": "good"}, "No key was sent"),
        ({"authorization": "Bearer goo"}, "The router does not know this key"),
        ({"authorization": "Bearer good2"}, "The router does not know this key"),
        ({"x-api-key": "GOOD"}, "The router does not know this key"),
        ({"x-api-key": "g\xf6\udce9d"}, "The router does not know this key"),
    ],
)
def test_keys_that_do_not(headers: dict[str, str], message: str):
    """A wrong or missing key is 401, and a retry would not help."""
    refused = admission.check_key(headers, snapshot("good"))

    assert isinstance(refused, Failure)
    assert (refused.status, refused.code, refused.should_retry) == (401, "invalid_api_key", False)
    assert refused.message == f"{message}; `router client env` shows how to set it"


def test_no_keys_are_wanted():
    """A router without client keys lets everybody on this machine in."""
    assert admission.check_key({}, snapshot()) is admission.NOBODY


def test_keys_are_wanted_but_none_could_be_read():
    """A key that is lost closes the door: it does not open it."""
    refused = admission.check_key({"x-api-key": "good"}, snapshot(problems=(RouterError("the key is lost"),)))

    assert isinstance(refused, Failure)
    assert (refused.status, refused.code) == (503, "ai_not_configured")


@pytest.mark.parametrize(
    ("client", "ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("192.168.1.5", True),
        ("192.168.1.6", False),
        ("", False),
    ],
)
def test_this_machine(client: str, ours: bool):
    """The doors for LiteLLM open on this machine."""
    assert admission.is_this_machine(client, SETTINGS) is ours
