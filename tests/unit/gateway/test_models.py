"""The model lists."""

import json

from llm_router.gateway import models
from llm_router.gateway.state import Snapshot
from llm_router.routing.plan import Candidate, GatewaySettings, Model, Plan, TranslatorSettings, Upstream, Wire

UPSTREAMS = {
    "open": Upstream("open", "openai", "http://a", (Wire.CHAT,), models=("m",)),
    "locked": Upstream("locked", "openai", "http://b", (Wire.CHAT,), key="env:K", models=("n",)),
}
HELD = Snapshot(
    Plan(
        "p",
        GatewaySettings(),
        TranslatorSettings(),
        UPSTREAMS,
        (
            Model("fast", (Candidate("locked", "n"), Candidate("open", "m"))),
            Model("lost", (Candidate("locked", "n"),)),
            Model("claude-*", (Candidate("open", "*"),)),
        ),
    ),
    {},
    (),
)


def test_only_what_can_be_asked_is_listed():
    """A model whose only account has no key is left out; a glob cannot be listed."""
    assert models.reachable(HELD) == ["fast", "open/m"]
    assert models.near_names(HELD.plan) == ["fast", "lost", "open/m", "locked/n", "claude-*"]


def test_shapes():
    """Each SDK reads its own."""
    assert json.loads(models.list_body(["fast"], anthropic=False)) == {
        "object": "list",
        "data": [{"id": "fast", "object": "model", "created": 1_700_000_000, "owned_by": "llm-router"}],
    }
    shown = {"type": "model", "id": "fast", "display_name": "fast", "created_at": "2023-11-14T22:13:20Z"}
    assert json.loads(models.list_body(["fast"], anthropic=True)) == {
        "data": [shown],
        "has_more": False,
        "first_id": "fast",
        "last_id": "fast",
    }
    assert json.loads(models.list_body([], anthropic=True))["first_id"] is None
    assert json.loads(models.model_body("fast", anthropic=True)) == shown


def test_lanes():
    """Every alias with who answers for it, and how each format gets there."""
    rows = json.loads(models.lanes_body(HELD))["models"]

    assert rows[1] == {
        "model": "lost",
        "candidates": [
            {
                "candidate": "locked/n",
                "usable": False,
                "lanes": {"chat": "direct", "responses": "translated", "messages": "translated"},
            }
        ],
    }
