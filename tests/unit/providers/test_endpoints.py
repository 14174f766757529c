"""Where upstreams serve what, and how they are shown a key."""

import pytest

from llm_router.providers.endpoints import Operation, client_path, key_headers, upstream_url
from llm_router.wire.formats import Wire

GENERATE, COUNT = Operation.GENERATE, Operation.COUNT_TOKENS


@pytest.mark.parametrize(
    ("kind", "base", "wire", "operation", "expected"),
    [
        ("openai", "https://a.example/v1", Wire.CHAT, GENERATE, "https://a.example/v1/chat/completions"),
        ("openai", "https://a.example/v1/", Wire.RESPONSES, GENERATE, "https://a.example/v1/responses"),
        ("openai", "https://a.example/api", Wire.EMBEDDINGS, GENERATE, "https://a.example/api/embeddings"),
        ("openai", "https://a.example/v1", Wire.RESPONSES, COUNT, "https://a.example/v1/responses/input_tokens"),
        ("anthropic", "https://a.example", Wire.MESSAGES, GENERATE, "https://a.example/v1/messages"),
        ("anthropic", "https://a.example/v1", Wire.MESSAGES, GENERATE, "https://a.example/v1/messages"),
        ("anthropic", "https://a.example/v1/", Wire.MESSAGES, COUNT, "https://a.example/v1/messages/count_tokens"),
        ("sandbox", "http://127.0.0.1:9", Wire.CHAT, GENERATE, "http://127.0.0.1:9/v1/chat/completions"),
    ],
)
def test_addresses(kind: str, base: str, wire: Wire, operation: Operation, expected: str):
    """A base URL with or without its version and its slash leads to the same place."""
    assert expected == upstream_url(kind, base, wire, operation)


def test_client_paths():
    """The paths clients know."""
    assert [client_path(wire, GENERATE) for wire in Wire] == [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/embeddings",
    ]
    assert client_path(Wire.MESSAGES, COUNT) == "/v1/messages/count_tokens"


def test_keys():
    """Anthropic wants its own header, everybody else a bearer token."""
    assert key_headers("anthropic", "k") == [("x-api-key", "k")]
    assert [("authorization", "Bearer k")] == key_headers("openai", "k") == key_headers("sandbox", "k")
