"""The configured place of the shared state."""

import pytest

from llm_router.routing.shared_state import BadStateAddress, SharedState


@pytest.mark.parametrize(
    ("url", "shared"),
    [
        ("memory", False),
        ("redis://127.0.0.1:6379/0", True),
        ("rediss://someone@cache.example", True),
        ("unix:///run/redis.sock", True),
    ],
)
def test_known_places(url, shared):
    """Memory is one gateway's own; a Redis is everybody's."""
    assert shared is SharedState(url).is_shared


@pytest.mark.parametrize(
    "url", ["", "disk", "http://127.0.0.1", "redis://", "redis://host:many", "redis://host:0", "unix://"]
)
def test_other_addresses_are_refused(url):
    """Nothing that nobody could connect to."""
    with pytest.raises(BadStateAddress):
        SharedState(url)


@pytest.mark.parametrize("url", ["redis://:canary@host", "redis://me:canary@host/1", "redis://host?password=canary"])
def test_a_password_in_the_address_is_refused_and_not_repeated(url):
    """The error names the way to store it."""
    with pytest.raises(BadStateAddress) as caught:
        SharedState(url)

    assert "canary" not in str(caught.value.as_json())
    assert "router secret set redis" in caught.value.hints[0]
