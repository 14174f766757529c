"""The ring of requests."""

import hashlib

from llm_router.sandbox.recorder import Recorder, masked

SCOPE = {"method": "POST", "path": "/v1/responses", "query_string": b"a=1", "headers": [(b"X-Api-Key", b"sk-1")]}


def test_secrets_are_digests():
    """The digest is of the key alone, so that a test can tell which key arrived."""
    digest = hashlib.sha256(b"sk-1").hexdigest()[:12]
    headers = [(b"Authorization", b"Bearer sk-1"), (b"x-api-key", b"sk-1"), (b"cookie", b"sk-1"), (b"accept", b"a b")]

    assert masked(headers) == [
        ("authorization", f"Bearer sha256:{digest}"),
        ("x-api-key", f"sha256:{digest}"),
        ("cookie", f"sha256:{digest}"),
        ("accept", "a b"),
    ]


def test_a_record_as_json():
    """Everything but the body, which has a route of its own."""
    record = Recorder().add(at=5.0, scope=SCOPE, body=b"{}")

    assert record.as_json() == {
        "number": 1,
        "at": 5.0,
        "method": "POST",
        "path": "/v1/responses",
        "query": "a=1",
        "headers": [["x-api-key", "sha256:" + hashlib.sha256(b"sk-1").hexdigest()[:12]]],
        "body_sha256": hashlib.sha256(b"{}").hexdigest(),
        "body_bytes": 2,
        "wire": "",
        "model": "",
        "streamed": False,
        "status": 0,
        "fault": "",
        "outcome": "open",
        "chunks": 0,
        "input_tokens": 0,
        "output_tokens": 0,
    }


def test_the_oldest_make_room():
    """Numbers go on, old records go, and bodies go before records do."""
    recorder = Recorder(most_requests=3, most_body_bytes=10)
    for size in (4, 4, 4, 4):
        recorder.add(at=0.0, scope=SCOPE, body=b"x" * size)

    assert [(record.number, record.body) for record in recorder.latest(9)] == [(4, b"xxxx"), (3, b"xxxx"), (2, None)]
    assert [recorder.find(number) is not None for number in (1, 2)] == [False, True]
    assert [record.number for record in recorder.latest(1)] == [4]


def test_clearing_keeps_counting():
    """A cleared recorder does not hand out a number twice."""
    recorder = Recorder()
    recorder.add(at=0.0, scope=SCOPE, body=b"x")
    recorder.clear()

    assert recorder.latest(9) == []
    assert recorder.add(at=0.0, scope=SCOPE, body=b"x").number == 2
