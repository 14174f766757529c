"""The sandbox's own routes."""

import json

from llm_router.sandbox import administration
from llm_router.sandbox.upstream import Request, Upstream


def call(upstream: Upstream, method: str, path: str, body: bytes = b"") -> tuple[int, dict]:
    path, _, query = path.partition("?")
    answer = upstream.administer(Request(method, path, query, {}, body))
    return answer.status, json.loads(answer.chunks[0])


def test_other_paths_are_not_ours():
    """A wire's request is left to the upstream."""
    assert administration.respond("GET", "/v1/models", "", b"", Upstream()) is None


def test_readiness():
    """`/healthz` is answered without a trace in the ring."""
    assert call(Upstream(), "GET", "/healthz") == (200, {"status": "ok"})


def test_faults_are_switched_shown_and_cleared():
    """PUT replaces, GET shows, DELETE clears."""
    upstream = Upstream()
    rule = {"spec": "empty", "count": 2, "left": 2, "match": {"wire": "chat"}}
    body = json.dumps({"spec": "empty", "count": 2, "match": {"wire": "chat"}}).encode()

    assert call(upstream, "PUT", "/sandbox/faults", body) == (200, {"faults": [rule]})
    assert call(upstream, "GET", "/sandbox/faults") == (200, {"faults": [rule]})
    assert call(upstream, "DELETE", "/sandbox/faults") == (200, {"faults": []})


def test_wrong_faults_and_paths():
    """Each refusal says why and changes nothing."""
    upstream = Upstream()

    assert call(upstream, "PUT", "/sandbox/faults", b"{")[0] == 400
    assert call(upstream, "PUT", "/sandbox/faults", b'{"spec": "x"}')[0] == 400
    assert call(upstream, "POST", "/sandbox/faults", b"{}")[0] == 405
    assert call(upstream, "POST", "/sandbox/requests")[0] == 405
    assert [call(upstream, "GET", f"/sandbox/{path}")[0] for path in ("x", "requests/1", "requests/x")] == [404] * 3
    assert upstream.switchboard.rules == []


def test_requests_are_listed_shown_and_forgotten():
    """The list is newest first and bounded; one record has its body."""
    upstream = Upstream()
    scope = {"method": "POST", "path": "/v1/responses", "headers": []}
    for number in range(3):
        upstream.recorder.add(at=0.0, scope=scope, body=b"%d" % number)

    status, found = call(upstream, "GET", "/sandbox/requests?limit=2")
    assert (status, [one["number"] for one in found["requests"]]) == (200, [3, 2])
    assert "body" not in found["requests"][0]
    status, found = call(upstream, "GET", "/sandbox/requests/2")
    assert (status, found["number"], found["body"]) == (200, 2, "1")
    assert call(upstream, "DELETE", "/sandbox/requests") == (200, {"requests": []})
