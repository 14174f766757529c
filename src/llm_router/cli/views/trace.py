"""How `router trace` reads: what was asked, each attempt in order, how it ended, what it cost, what else happened."""

from collections.abc import Iterator, Mapping
from typing import Any

from llm_router.cli.views.events import event_line
from llm_router.cli.views.usage import dollars
from llm_router.control.trace_report import Trace


def trace_lines(trace: Trace) -> Iterator[str]:
    """The story of one request."""
    for line in _story(trace.request):
        yield printable(line)
    if trace.events:
        yield ""
        yield "events"
        for row in trace.events:
            yield "  " + printable(event_line(row))


def printable(text: str) -> str:
    """The text without anything that a terminal would obey: names in it come from clients."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _story(row: Mapping[str, Any]) -> Iterator[str]:
    times = row["times"]
    yield f"trace    {row['trace_id']}"
    yield f"started  {row['started_at']}"
    yield f"client   key {row['key'] or '-'}, session {row['session'] or '-'}"
    kind = "stream" if row["streamed"] else "plain"
    yield f"asked    {row['model_asked'] or '-'} over {row['wire'] or '-'} ({kind}, {row['bytes_in']} bytes)"
    if times["queue_ms"]:
        yield f"queued   {milliseconds(times['queue_ms'])}"
    if row["attempts"]:
        yield "attempts"
    for number, attempt in enumerate(row["attempts"], start=1):
        yield "  " + _attempt(number, attempt)
    if not row["attempts"]:
        yield "attempts none: the request never reached an upstream"
    yield f"answer   {_answer(row)}"
    yield f"times    first byte {milliseconds(times['first_byte_ms'])}, whole {milliseconds(times['total_ms'])}"
    yield f"tokens   {_tokens(row)}"
    yield f"cost     {_cost(row)}"
    if row["traceparent"]:
        yield f"parent   {row['traceparent']}"


def _attempt(number: int, attempt: Mapping[str, Any]) -> str:
    status = attempt.get("status")
    said = f"{attempt.get('outcome', '?')}{f' {status}' if status is not None else ''}"
    reason = f"  {attempt['reason']}" if attempt.get("reason") else ""
    return f"{number}. {attempt.get('candidate', '?')}  {said}  {milliseconds(attempt.get('ms'))}{reason}"


def _answer(row: Mapping[str, Any]) -> str:
    code = f" {row['code']}" if row["code"] else ""
    ended = f"{row['status']} {row['outcome']}{code}, {row['bytes_out']} bytes"
    if not row["upstream"]:
        return ended
    return f"{ended}, from {row['upstream']}/{row['model_answered']} on the {row['lane'] or '-'} lane"


def _tokens(row: Mapping[str, Any]) -> str:
    tokens = row["tokens"]
    if tokens["input"] is None:
        return "none used" if row["usage_source"] is None else "not reported"
    parts = [
        f"{tokens['input']} in",
        f"{tokens['cached']} of them cached",
        f"{tokens['cache_write']} written to the cache",
    ]
    shown = [parts[0], *(part for part, name in zip(parts[1:], ("cached", "cache_write"), strict=True) if tokens[name])]
    out = f"{tokens['output']} out" + (f" ({tokens['reasoning']} reasoning)" if tokens["reasoning"] else "")
    return f"{', '.join(shown)}; {out} ({row['usage_source']})"


def _cost(row: Mapping[str, Any]) -> str:
    if row["billing"] == "plan":
        return "covered by the account's plan"
    if row["cost_usd"] is None:
        return "not known" if row["outcome"] == "success" else "nothing: the request failed"
    dated = f" (prices of {row['price_date']})" if row["price_date"] else ""
    return f"{dollars(row['cost_usd'])}{dated}"


def milliseconds(value: object) -> str:
    """A duration: 850 ms, 1.24 s; `-` when there was none."""
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.2f} s"
