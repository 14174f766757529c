"""Asks one endpoint everything that the newest OpenAI and Anthropic SDKs can ask, and prints one JSON line per cell.

Run with the clients' own environment (`.venv-sdk`), never with the product's:

    LLM_ROUTER_PROBE_KEY=… .venv-sdk/bin/python sdk_probe.py --base-url http://127.0.0.1:8317 --model M --wire chat

A line is `{"wire", "task", "mode", "ok", "error", "seconds", "answer"}`; `answer` holds what the SDK made of the reply.
The exit code is 0 whenever every cell was tried: what failed stands in the lines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sdk_extras import EXTRAS
from sdk_wires import CLIENTS, TOOL, TOOL_RESULT, Client, Endpoint, Prompts, Turn, expect

TASKS = ("text", "tool", "round")
MODES = ("plain", "stream")
TOOL_STOPS = {"tool_calls", "tool_use", "completed"}
TEXT_STOPS = {"stop", "end_turn", "completed"}


def run_task(client: Client, task: str, *, stream: bool, prompts: Prompts) -> dict[str, Any]:
    """One cell of the grid. Raises what the SDK raises, or AssertionError when the reply is not what was asked."""
    if task == "text":
        turn = client.ask([{"role": "user", "content": prompts.text}], tools=False, stream=stream)
        check_text(turn)
        return turn.shown()
    history = [{"role": "user", "content": prompts.tool}]
    called = client.ask(history, tools=True, stream=stream)
    check_call(called)
    if task == "tool":
        return called.shown()
    final = client.ask(client.answered(history, called, TOOL_RESULT), tools=True, stream=stream)
    check_text(final)
    return final.shown()


def check_text(turn: Turn) -> None:
    """A finished text answer without a tool call."""
    expect(bool(turn.text.strip()), f"no text in {turn.shown()}")
    expect(not turn.calls, f"a tool call in {turn.shown()}")
    expect(turn.stop in TEXT_STOPS, f"stopped with {turn.stop}")
    expect(turn.deltas is None or turn.deltas > 0, "a stream without a text delta")


def check_call(turn: Turn) -> None:
    """Exactly one call of the one tool, with arguments that fit its schema."""
    expect([call["name"] for call in turn.calls] == [TOOL], f"not one call of {TOOL} in {turn.shown()}")
    arguments = turn.calls[0]["arguments"]
    expect(isinstance(arguments.get("city"), str), f"arguments that do not fit the schema: {arguments}")
    expect(bool(turn.calls[0]["id"]), "a call without an id")
    expect(turn.stop in TOOL_STOPS, f"stopped with {turn.stop}")
    expect(turn.deltas is None or turn.deltas > 0, "a stream without an argument delta")


@dataclass(slots=True)
class Line:
    """One printed line."""

    wire: str
    task: str
    mode: str
    ok: bool
    error: str
    seconds: float
    answer: Any


def attempt(wire: str, task: str, mode: str, run: Callable[[], Any]) -> Line:
    """Run one cell and catch whatever it raises, because the next cells are still to be tried."""
    began = time.monotonic()
    try:
        answer, error = run(), ""
    except Exception as failure:  # noqa: BLE001 - every failure of a cell is that cell's result
        answer, error = None, f"{type(failure).__name__}: {failure}"[:600]
    return Line(wire, task, mode, not error, error, round(time.monotonic() - began, 3), answer)


def main() -> int:
    """Parse the command line, run the cells, print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True, help="without /v1")
    parser.add_argument("--model", required=True)
    parser.add_argument("--wire", action="append", choices=tuple(CLIENTS), default=[])
    parser.add_argument("--extra", action="append", choices=tuple(EXTRAS), default=[])
    parser.add_argument("--text-prompt", default="hello")
    parser.add_argument("--tool-prompt", default=f'call {TOOL} {{"city": "Paris"}}')
    options = parser.parse_args()
    endpoint = Endpoint(options.base_url.rstrip("/"), os.environ["LLM_ROUTER_PROBE_KEY"], options.model)
    prompts = Prompts(options.text_prompt, options.tool_prompt)
    for wire in options.wire:
        for task in TASKS:
            for mode in MODES:
                client = CLIENTS[wire](endpoint)
                show(attempt(wire, task, mode, lambda c=client, t=task, m=mode: run_cell(c, t, m, prompts)))
    for name in options.extra:
        show(attempt("", name, "", lambda extra=EXTRAS[name]: extra(endpoint, prompts)))
    return 0


def run_cell(client: Client, task: str, mode: str, prompts: Prompts) -> Any:
    """`run_task` with the mode by name."""
    return run_task(client, task, stream=mode == "stream", prompts=prompts)


def show(line: Line) -> None:
    """Print one line at once, so that a reader sees what was done before a crash."""
    sys.stdout.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
