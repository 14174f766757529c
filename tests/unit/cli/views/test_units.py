"""How units read."""

from llm_router.cli.views import units as views

GATEWAY = {
    "unit": "gateway",
    "state": "ready",
    "ready": True,
    "pid": 12,
    "url": "http://127.0.0.1:8317",
    "reason": "",
    "restarts": 0,
    "memory_bytes": 43_000_000,
    "readiness_code": 200,
    "readiness_error": None,
    "readiness_url": "http://127.0.0.1:8317/healthz",
    "hints": [],
    "problems": [{"message": "a key is missing", "hint": "export it"}],
}
LITELLM = {
    **GATEWAY,
    "unit": "litellm",
    "state": "failed",
    "ready": False,
    "pid": None,
    "url": "",
    "reason": "gave up",
    "memory_bytes": None,
    "readiness_code": None,
    "readiness_error": "TimeoutError",
    "readiness_url": "",
    "hints": ["Run `router service logs litellm`"],
    "problems": [],
    "log": "/logs/litellm.log",
    "log_tail": ["bad config"],
}


def test_lines_of_up() -> None:
    """Unit, state, address; the profile at the gateway, the familiar door at LiteLLM, or why not."""
    ready = {**LITELLM, "state": "ready", "url": "http://127.0.0.1:4000", "reason": ""}
    assert [views.unit_line(GATEWAY, "balanced"), views.unit_line(ready), views.unit_line(LITELLM)] == [
        "  gateway   ready    http://127.0.0.1:8317      balanced",
        "  litellm   ready    (translator)               http://127.0.0.1:4000",
        "  litellm   failed   (translator)               gave up",
    ]
    assert views.tail_lines(LITELLM) == ["  last lines of /logs/litellm.log:", "    bad config"]
    assert views.tail_lines(GATEWAY) == []
    assert views.hint_lines([GATEWAY, LITELLM, LITELLM]) == ["hint: Run `router service logs litellm`"]
    assert views.problem_hints([GATEWAY, LITELLM]) == ["hint: export it"]
    assert views.stopping_line(GATEWAY) == "  gateway   ready"


def test_lines_of_health() -> None:
    """Facts first, then the reason, then what is wrong with the configuration."""
    assert views.health_lines(GATEWAY) == [
        "gateway:liveness=ok readiness=ok running=yes readiness_code=200 readiness_error=none "
        "readiness_url=http://127.0.0.1:8317/healthz",
        "  a key is missing",
    ]
    assert views.health_lines(LITELLM) == [
        "litellm:liveness=fail readiness=fail running=no readiness_code=n/a readiness_error=TimeoutError "
        "readiness_url=n/a",
        "  failed: gave up",
    ]


def test_verdicts() -> None:
    """Degraded is a gateway that answers while something else does not."""
    unready = {**GATEWAY, "ready": False}
    verdicts = [views.health_body(units)["health"] for units in ([GATEWAY], [GATEWAY, LITELLM], [unready], [])]
    assert verdicts == ["ok", "degraded", "down", "down"]


def test_lines_of_status() -> None:
    """Facts as key=value, then a table; without units only the facts."""
    report = {
        "current_profile": "balanced",
        "updated_at": "now",
        "secret_permission_issues": ["/x"],
        "units": [LITELLM, GATEWAY],
    }
    assert views.status_lines(report) == [
        "current_profile=balanced",
        "updated_at=now",
        "gateway_running=yes",
        "litellm_running=no",
        "secret_permission_issues=1",
        "",
        "UNIT     STATE   PID  RESTARTS  MEMORY  ADDRESS                REASON",
        "litellm  failed  -    0         -       -                      gave up",
        "gateway  ready   12   0         43 MB   http://127.0.0.1:8317",
    ]
    assert views.status_lines({**report, "units": []})[-1] == "secret_permission_issues=1"


def test_lines_of_service() -> None:
    """What became of each unit."""
    lines = [
        views.outcome_line({**GATEWAY, "result": "started"}),
        views.outcome_line({**GATEWAY, "result": "already-running"}),
        views.outcome_line({**LITELLM, "result": "restarted"}),
        views.outcome_line({**LITELLM, "state": "starting", "reason": "", "result": "started"}),
        views.outcome_line({**GATEWAY, "result": "not-running"}),
        views.outcome_line({**GATEWAY, "result": "timeout"}),
    ]
    assert lines == [
        "gateway:started pid=12",
        "gateway:already-running pid=12",
        "litellm:start-failed gave up",
        "litellm:not-ready",
        "gateway:stopped",
        "gateway:stop-failed",
    ]
