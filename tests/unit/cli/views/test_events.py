"""How an event reads."""

from llm_router.cli.views.events import event_line


def test_a_line() -> None:
    """When, what, how it ended, to whom, and the rest."""
    row = {
        "timestamp": "T",
        "event": "unit_ready",
        "service": "sandbox",
        "profile": "p",
        "provider": "",
        "result": "success",
        "detail": "fine",
    }
    assert event_line(row) == "T  unit_ready       success          sandbox    fine"
    assert event_line({**row, "service": "", "detail": "", "generation": 3}).endswith("success          p generation=3")
