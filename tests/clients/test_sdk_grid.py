"""Both SDKs over every wire, through the gateway, to upstreams that speak one wire each."""

import json
import sys
from itertools import product

import pytest
from support.lab import UPSTREAM_KEY, WIRES, Lab, Line

pytestmark = [pytest.mark.needs("sdk"), pytest.mark.timeout(400)]

TASKS = ("text", "tool", "round")
MODES = ("plain", "stream")
CELLS = [pytest.param(*cell, id="-".join(cell)) for cell in product(WIRES, WIRES, TASKS, MODES)]

SAID = {
    "sandbox": {"text": "you said: hello", "round": "the tool answered: 21 degrees and sunny"},
    "aimock": {
        "text": "Hello from the independent mock: one two three four five.",
        "round": "It is 21 degrees and sunny in Paris.",
    },
}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
FETCH = """\
import os, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"authorization": "Bearer " + os.environ["UPSTREAM_KEY"]})
print(urllib.request.urlopen(request).read().decode())
"""
CALL = [{"name": "get_weather", "arguments": {"city": "Paris"}}]


@pytest.mark.parametrize(("client", "upstream", "task", "mode"), CELLS)
def test_sandbox_cell(lab: Lab, client: str, upstream: str, task: str, mode: str):
    """Every client wire gets text, tool calls and tool rounds from every upstream wire, plain and streamed."""
    line = lab.cell("sandbox", client, upstream, (task, mode))

    assert (line["ok"], line["error"]) == (True, "")
    check_answer("sandbox", line)


@pytest.mark.needs("aimock")
@pytest.mark.parametrize(("client", "upstream", "task", "mode"), CELLS)
def test_aimock_cell(lab: Lab, client: str, upstream: str, task: str, mode: str):
    """The same against an upstream that we did not write: it can serve all 54 cells, and none is left out."""
    line = lab.cell("aimock", client, upstream, (task, mode))

    assert (line["ok"], line["error"]) == (True, "")
    check_answer("aimock", line)


@pytest.mark.needs("aimock")
def test_every_upstream_was_asked_in_its_one_wire(lab: Lab):
    """Whatever the client spoke, the mock was asked for each model at that upstream's own address only."""
    for client, upstream in product(WIRES, WIRES):
        lab.cell("aimock", client, upstream, ("text", "plain"))
    asked = json.loads(
        lab.inside(sys.executable, "-c", FETCH, f"{lab.mock_url}/__aimock/journal", UPSTREAM_KEY=UPSTREAM_KEY)
    )

    seen = {(entry["body"]["model"], entry["method"], entry["path"]) for entry in asked}
    assert seen == {(f"aimock-{wire}", "POST", path) for wire, path in PATHS.items()}


def check_answer(backend: str, line: Line) -> None:
    """The reply is whole: the call with its arguments or the text, in pieces when streamed, and both token counts."""
    answer = line["answer"]
    wanted = ("", CALL) if line["task"] == "tool" else (SAID[backend][line["task"]], [])
    assert (answer["text"], answer["calls"]) == wanted
    assert all(count > 0 for count in answer["tokens"]), answer
    least = 2 if line["mode"] == "stream" and line["task"] != "tool" else 0
    assert (answer["deltas"] or 0) >= least, "the text of a stream came in one piece"
