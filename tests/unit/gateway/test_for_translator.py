"""Nothing of a client's request gives LiteLLM an order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.gateway.for_translator import body_for_translator, headers_for_translator, query_for_translator
from llm_router.gateway.headers import for_upstream


def test_a_request_without_orders_is_the_same_object():
    """Most requests cost a look, and not a byte changes."""
    body = b'{"model": "a/b", "messages": [{"content": "api_key"}], "x_vendor": 1, "metadata": {"user_id": "u"}}'
    assert body_for_translator(body) == (body, ())
    assert body_for_translator(body)[0] is body


@pytest.mark.parametrize(
    ("sent", "kept", "dropped"),
    [
        ('{"model":"m","api_base":"http://evil"}', {"model": "m"}, ("api_base",)),
        ('{"model":"m","api\\u005fbase":"http://evil"}', {"model": "m"}, ("api_base",)),
        ('{"model":"m","fallbacks":["x"],"fallbacks":["y"]}', {"model": "m"}, ("fallbacks",)),
        ('{"model":"m","extra_body":{"api_base":"x"},"n":2}', {"model": "m", "n": 2}, ("extra_body",)),
        ('{"metadata":{"user_id":"u","tags":["t"]}}', {"metadata": {"user_id": "u"}}, ("metadata",)),
        ('{"metadata":{"model_group":"x"},"n":1}', {"n": 1}, ("metadata",)),
        ('{"metadata":"{\\"api_base\\": \\"x\\"}"}', {}, ("metadata",)),
        ('{"metadata":{"user_id":{"api_base":"x"}}}', {}, ("metadata",)),
        ('{"input":"\\ud83d","api_key":"k"}', {"input": "\ud83d"}, ("api_key",)),
    ],
)
def test_orders_are_left_out(sent: str, kept: dict[str, Any], dropped: tuple[str, ...]):
    """However they are written, and whatever else stands beside them."""
    body, names = body_for_translator(sent.encode())
    assert (json.loads(body), names) == (kept, dropped)


NAMES = st.sampled_from(["model", "api_key", "timeout", "x", "metadata", "mock_response", "é"]) | st.text(max_size=5)


@given(st.dictionaries(NAMES, st.none() | st.text(max_size=3) | st.dictionaries(st.text(max_size=3), st.integers())))
def test_leaving_out_once_is_enough(held: dict[str, Any]):
    """What is left holds no order, and everything else is as it was."""
    body, dropped = body_for_translator(json.dumps(held).encode())
    left = json.loads(body)

    assert body_for_translator(body) == (body, ())
    assert all(held[name] == value for name, value in left.items() if name != "metadata")
    assert set(held) - set(left) <= set(dropped)


def test_headers():
    """The body is JSON whatever the client says of it, and LiteLLM's own headers stay here."""
    sent = {
        "content-type": "application/x-www-form-urlencoded",
        "content-encoding": "gzip",
        "x-litellm-timeout": "1",
        "litellm-disable-message-redaction": "1",
        "litellm_user_api_key": "k",
        "langfuse_trace_id": "t",
        "x-pass-secret": "s",
        "x-mcp-auth": "a",
        "ocp-apim-subscription-key": "k",
        "anthropic-beta": "b",
    }
    assert headers_for_translator(sent) == [
        ("anthropic-beta", "b"),
        ("accept-encoding", "identity"),
        ("content-type", "application/json"),
    ]
    assert dict(for_upstream(sent))["content-type"] == "application/json"
    assert "content-encoding" not in dict(for_upstream(sent))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("", ""), ("beta=true", "beta=true"), ("api_base=http://evil", ""), ("beta=true&fallbacks=x", ""), ("key=k", "")],
)
def test_query(sent: str, kept: str):
    """LiteLLM adds every part of a query to the body."""
    assert query_for_translator(sent) == kept
