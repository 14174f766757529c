"""Which headers travel on."""

import string

from hypothesis import given
from hypothesis import strategies as st

from llm_router.gateway.headers import for_client, for_upstream, shown

SECRET = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"]
ONE_HOP = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
    "expect",
]
NAMES = st.sampled_from([*SECRET, *ONE_HOP, "anthropic-beta", "x-stainless-os", "user-agent", "content-type", "sec-x"])
VALUES = st.text(alphabet=string.ascii_letters + ", -", max_size=12)


@given(st.dictionaries(NAMES, VALUES))
def test_no_credential_and_no_hop_reaches_an_upstream(client: dict[str, str]):
    """Whatever else is sent, keys, cookies and what belongs to one connection stay here."""
    named = {name.strip().lower() for name in client.get("connection", "").split(",")}

    assert {
        name
        for name in client
        if name in {"anthropic-beta", "x-stainless-os", "user-agent", "content-type"} and name not in named
    } | {"accept-encoding"} == {name for name, _ in for_upstream(client)}


def test_what_a_client_sends_on():
    """Features asked for by header arrive; what tells where the client is does not."""
    sent = {
        "anthropic-beta": "a, b",
        "openai-organization": "o",
        "x-stainless-lang": "python",
        "x-forwarded-for": "1.2.3.4",
        "x-router-session": "s",
        "x-llm-router-trace": "t",
        "accept-encoding": "br",
        "origin": "http://x",
        "x-drop-me": "1",
        "X-Not-Lower": "kept by name",
        "connection": "close, X-Drop-Me",
    }

    assert for_upstream(sent) == [
        ("anthropic-beta", "a, b"),
        ("openai-organization", "o"),
        ("x-stainless-lang", "python"),
        ("X-Not-Lower", "kept by name"),
        ("accept-encoding", "identity"),
    ]


def test_what_an_upstream_sends_back():
    """Limits and ids pass, in order and repeated; cookies, hops and LiteLLM's own do not."""
    received = [
        ("content-type", "text/event-stream"),
        ("retry-after", "7"),
        ("x-ratelimit-remaining-requests", "3"),
        ("request-id", "r"),
        ("warning", "a"),
        ("warning", "b"),
        ("set-cookie", "s"),
        ("x-litellm-model-id", "m"),
        ("llm_provider-x", "y"),
        ("server", "s"),
        ("date", "d"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("x-hop", "1"),
        ("connection", "keep-alive"),
        ("connection", "x-hop"),
        ("x-router-model", "forged"),
    ]

    assert for_client(received) == received[:6]


@given(st.text())
def test_any_text_can_be_shown(text: str):
    """No text breaks out of its header, and no answer fails because of one."""
    held = shown(text)

    assert held.isascii()
    assert held.isprintable() or not held
    assert len(held) <= 200 * 12


def test_shown_names():
    """The names models have are shown as they are."""
    for name in ("claude-sonnet-4-5@20250929", "openai/gpt-5:free", "models/a b", "ft:gpt-4o:org::id"):
        assert shown(name) == name
    assert shown("a\r\nset-cookie: x") == "a%0D%0Aset-cookie: x"
    assert shown("日\ud800") == "%E6%97%A5?"
    assert len(shown("x" * 10_000)) == 200
