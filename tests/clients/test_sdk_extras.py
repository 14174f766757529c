"""What the SDKs do beyond the grid: structured output, token counts, the tool loop, model lists, and their errors."""

from typing import Any

import pytest
from support.lab import WIRES, Lab

pytestmark = [pytest.mark.needs("sdk"), pytest.mark.timeout(400)]

ONE_UPSTREAM_EACH = ("parse_chat", "parse_responses", "parse_messages", "count_tokens", "tool_runner")
EXPECTED: dict[str, Any] = {
    "parse_chat": {"city": "sandbox"},
    "parse_responses": {"city": "sandbox"},
    "parse_messages": {"city": "sandbox"},
    "count_tokens": True,
    "tool_runner": {"asked": 1, "stop": "end_turn"},
}


def extra(lab: Lab, name: str, upstream: str = "chat") -> Any:
    """What one extra saw; an AssertionError when the SDK raised."""
    asked = [argument for one in ONE_UPSTREAM_EACH for argument in ("--extra", one)]
    wanted = asked if name in ONE_UPSTREAM_EACH else ["--extra", name]
    lines = lab.probe("--model", f"sandbox-{upstream}", *wanted)
    line = next(line for line in lines if line["task"] == name)
    assert line["error"] == ""
    return line["answer"]


@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("name", ONE_UPSTREAM_EACH)
def test_over_every_upstream(lab: Lab, name: str, upstream: str):
    """Structured output, token counts and the SDK's own tool loop work whatever the upstream speaks."""
    assert EXPECTED[name] == extra(lab, name, upstream)


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_model_list(lab: Lab, shape: str):
    """Both SDKs list every alias of the configuration."""
    listed = extra(lab, f"models_{shape}")

    assert sorted(f"sandbox-{wire}" for wire in WIRES) == [name for name in listed if name.startswith("sandbox-")]


def test_wrong_key(lab: Lab):
    """A wrong key is each SDK's AuthenticationError after one request."""
    assert dict.fromkeys(("chat", "responses"), failure(401, "invalid_api_key")) | {
        "messages": failure(401, "authentication_error")
    } == extra(lab, "wrong_key")


def test_unknown_model(lab: Lab):
    """An unknown model is each SDK's NotFoundError after one request."""
    assert dict.fromkeys(("chat", "responses"), failure(404, "model_not_found")) | {
        "messages": failure(404, "not_found_error")
    } == extra(lab, "unknown_model")


def failure(status: int, named: str) -> dict[str, Any]:
    """What the probe prints for a failure that was not retried."""
    return {"status": status, "named": named, "requests": 1}
