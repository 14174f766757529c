"""Several answers to one request, and thinking beyond the cap."""

import json
from typing import Any

import pytest

from llm_router.wire.formats import Wire
from llm_router.wire.multiples import choices_of, fit_thinking


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"model":"m"}', 1),
        ('{"n":4}', 4),
        ('{"n":1,"n":50}', 50),
        ('{"n":50,"n":1}', 50),
        ('{"\\u006e":7}', 7),
        ('{"\\u006E":7}', 7),
        ('{"best_of":9,"n":2}', 9),
        ('{"n":true}', 1),
        ('{"n":"8"}', 1),
        ('{"n":-3}', 1),
        ('{"tools":[{"n":9}]}', 1),
    ],
)
def test_choices(body: str, expected: int):
    """The largest number counts, however it is written; what lies deeper does not."""
    assert choices_of(body.encode(), Wire.CHAT) == expected
    assert choices_of(body.encode(), Wire.RESPONSES) == 1


@pytest.mark.parametrize(
    ("thinking", "cap", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 32000}, 4096, {"type": "enabled", "budget_tokens": 4095}),
        ({"type": "enabled", "budget_tokens": 4096}, 4096, {"type": "enabled", "budget_tokens": 4095}),
        ({"type": "enabled", "budget_tokens": 4095}, 4096, {"type": "enabled", "budget_tokens": 4095}),
        (
            {"type": "enabled", "budget_tokens": 32000, "é": "日"},
            1025,
            {"type": "enabled", "budget_tokens": 1024, "é": "日"},
        ),
        ({"type": "enabled", "budget_tokens": 32000}, 1024, {"type": "disabled"}),
        ({"type": "adaptive"}, 1, {"type": "adaptive"}),
        ("none", 1, "none"),
    ],
)
def test_thinking(thinking: Any, cap: int, expected: Any):
    """The budget is below the cap, or there is no thinking; the rest of the body stays as it is."""
    body = json.dumps({"model": "é", "thinking": thinking, "x": [1.0]}, ensure_ascii=False).encode()
    held = json.loads(fit_thinking(body, Wire.MESSAGES, cap))

    assert held == {"model": "é", "thinking": expected, "x": [1.0]}
    assert fit_thinking(body, Wire.CHAT, cap) is body
    if thinking == expected:
        assert fit_thinking(body, Wire.MESSAGES, cap) is body
