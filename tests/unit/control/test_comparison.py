"""What two profiles do differently."""

from pathlib import Path

import pytest

from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode
from llm_router.control.comparison import Difference, compare, facts
from llm_router.errors import UnknownName

TEXT = """config_version: 3
profiles:
  mine:
    description: Mine
    retries: 9
    models:
      router-default: [sandbox/a, sandbox/b]
    litellm: {litellm_settings: {set_verbose: true}}
"""


@pytest.fixture
def settings():
    return decode(decode_text(TEXT, "f"), Path("/nowhere/f")).settings


def test_compare(settings):
    """Only what differs, in the order of the keys."""
    assert compare(settings, "balanced", "mine") == [
        Difference("fallbacks.router-default", "router-cheap", "-"),
        Difference("litellm.litellm_settings.set_verbose", "-", "true"),
        Difference("models.router-default", "sandbox/echo-1", "sandbox/a, sandbox/b"),
        Difference("retries", "2", "9"),
    ]
    assert compare(settings, "mine", "mine") == []


def test_facts(settings):
    """What one profile decides."""
    assert facts(settings, "cost") == {
        "description": "Few retries; the cheap model first, the better one when it fails",
        "retries": 1,
        "failures_until_degraded": 4,
        "cooldown": 10,
        "cooldown_cap": 900.0,
        "strategy": "as-listed",
        "affinity": True,
        "plan_to_paid": False,
        "fallbacks": {"router-cheap": "router-default"},
        "models": {name: ["sandbox/echo-1"] for name in ("router-default", "router-cheap", "claude-*", "gpt-*")},
        "litellm": {},
    }


def test_unknown(settings):
    """A name that does not exist is told with those that do."""
    with pytest.raises(UnknownName):
        compare(settings, "mine", "yours")
