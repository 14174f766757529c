"""What an answer cost in tokens, as its upstream reported it. The one place that knows how each wire counts.

`Usage` means the same thing whatever the wire: `input` is everything that went in, `output` everything that came out.

chat, embeddings  `usage`; in a stream the last chunk that has one, often without choices. Input includes the cache;
                  output includes reasoning, except where `total_tokens` shows that it does not.
responses         `usage` of the response in response.completed, .incomplete or .failed. Input includes the cache,
                  output includes reasoning.
messages          `usage`; in a stream input in message_start and output in message_delta, which is cumulative. Input
                  excludes what was read from and written to the cache; output includes thinking.

A report whose cache is larger than its input can only have left the cache out, so it is added there too. A report that
counts nothing at all is no report. Numbers that cannot be counts (negative, fractions, absurdly large) count as absent.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from llm_router.wire.formats import Wire

LARGEST_COUNT = 10**12
# A usage object is far shorter; so much is looked at when the event around it came in pieces.
_LONGEST_REPORT = 8192
_MOST_PLACES = 4
_LONGEST_TIER = 40
_REPORT = re.compile(rb'"usage"\s*:\s*(?=\{)')
_read_first = json.JSONDecoder().raw_decode
_USAGE = b'"usage"'
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_STRING = rb'"\s*:\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
# The members that carry an answer's words, in a stream and in a whole answer. The look-ahead halves the search's cost.
_STREAMED_WORDS = {
    Wire.CHAT: re.compile(rb'"(?=[acr])(?:content|reasoning_content|reasoning|arguments)' + _STRING),
    Wire.EMBEDDINGS: re.compile(rb"(?!)()"),
    Wire.RESPONSES: re.compile(rb'"delta' + _STRING),
    Wire.MESSAGES: re.compile(rb'"(?=[pt])(?:text|partial_json|thinking)' + _STRING),
}
_WHOLE_WORDS = {**_STREAMED_WORDS, Wire.RESPONSES: re.compile(rb'"(?:text|arguments)' + _STRING)}
# First bytes of three-byte characters that are kana, Han, Hangul and full-width forms.
_CJK = bytes([*range(0xE3, 0xEE), 0xEF])
# Members beside the counts that say that other prices apply, and what they say when none do.
_TIERS = ("service_tier", "speed", "inference_geo")
_PLAIN_REPORT = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_PLAIN_COUNT = 10**9
_TIER_MEMBERS = tuple(f'"{name}"'.encode() for name in _TIERS)
_ORDINARY_TIERS = frozenset({"", "auto", "default", "global", "not_available", "on_demand", "standard"})


class Source(StrEnum):
    """Where the numbers come from."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    MISSING = "missing"


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class Usage:
    """Tokens of one answer. `cached` and `cache_write` are parts of `input`, `reasoning` is a part of `output`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    source: Source = Source.REPORTED
    cache_write_hour: int = 0  # the part of `cache_write` that is kept for an hour, which has a price of its own
    tier: str = ""  # the service tier, speed or region, when it is not the ordinary one: it has prices of its own


MISSING = Usage(source=Source.MISSING)


def usage_of_body(wire: Wire, body: bytes) -> Usage | None:
    """The usage that a whole answer reports, or None."""
    if (at := body.rfind(_USAGE)) < 0:
        return None
    held = _members_from(wire, body, at) or _decoded(body)
    report = _report_of(wire, held) if isinstance(held, dict) else None
    return _read(wire, *report) if report is not None else None


def _members_from(wire: Wire, body: bytes, at: int) -> dict[str, Any] | None:
    """The members of an answer from `usage` at `at` on, where that is enough: the words before it need not be read.

    What begins there and ends where the body ends can only be members of the outermost object.
    """
    if wire is not Wire.CHAT:
        return None
    for name in _TIER_MEMBERS:
        if body.find(name, 0, at) >= 0:
            return None
    try:
        text = f"{{{body[at:].decode().rstrip()}"
        held, end = _read_first(text)
    except (ValueError, RecursionError):
        return None
    return held if end == len(text) and isinstance(held.get("usage"), dict) else None


def settle_body(wire: Wire, body: bytes, prompt_tokens: int) -> Usage:
    """The usage that a whole answer reports, or one estimated from its words and the prompt's own estimate."""
    reported = usage_of_body(wire, body)
    if reported is not None:
        return reported
    return _estimated(prompt_tokens, sum(map(_weight, _WHOLE_WORDS[wire].findall(body))))


class UsageReader:
    """Watches a stream for its usage. Holds counters only: its memory does not grow with the stream."""

    __slots__ = ("_held", "_quarters", "_tier", "_whole", "_wire", "_words")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._words = _STREAMED_WORDS[wire]
        self._held: dict[str, Any] = {}
        self._tier = ""
        self._whole = False
        self._quarters = 0

    def feed(self, events: bytes) -> None:
        """Look at whole events, as `sse.EventStream` cuts them."""
        if words := self._words.findall(events):
            self._quarters += sum(map(_weight, words))
        if _USAGE in events and _REPORT.search(events):
            for data in _data_of(events):
                self._take(data)

    @property
    def usage(self) -> Usage | None:
        """What the stream has reported, or None as long as the report is not whole."""
        return _read(self._wire, self._held, self._tier) if self._whole else None

    @property
    def output_estimate(self) -> int:
        """Tokens that have come out, counted from the words that went by."""
        return -(-self._quarters // 4)

    def settle(self, prompt_tokens: int) -> Usage:
        """What the stream reported; or an estimate, with what is missing filled in from the words and the prompt."""
        reported = self.usage
        if reported is not None:
            return reported
        begun = _read(self._wire, self._held, self._tier)
        if begun is None:
            return _estimated(prompt_tokens, self._quarters)
        return replace(begun, output=max(begun.output, self.output_estimate), source=Source.ESTIMATED)

    def _take(self, data: bytes) -> None:
        held = _decoded(data)
        found = _report_of(self._wire, held) if isinstance(held, dict) else _loose_report(data)
        if found is None or (self._wire is not Wire.MESSAGES and _read(self._wire, *found) is None):
            return
        report, self._tier = found[0], found[1] or self._tier
        if self._wire is not Wire.MESSAGES:
            self._held, self._whole = report, True
        elif isinstance(held, dict) and held.get("type") == "message_start":
            self._held = report
        else:
            self._take_delta(report)

    def _take_delta(self, report: Mapping[str, Any]) -> None:
        """A message_delta says how much came out; of the rest it repeats what it likes, and a zero erases nothing."""
        known = {name: value for name, value in report.items() if value}
        self._held = {**self._held, **known}
        if isinstance(report.get("output_tokens"), int):
            self._held["output_tokens"] = report["output_tokens"]
            self._whole = True


def estimate_tokens(text: bytes) -> int:
    """Tokens that a text may have: a quarter for each byte, and one and a half for each CJK character; rounded up."""
    return -(-_weight(text) // 4)


def _weight(text: bytes) -> int:
    """Estimated tokens of a text in quarters. A CJK character has three bytes and counts six quarters."""
    if text.isascii():
        return len(text)
    return len(text) + 3 * (len(text) - len(text.translate(None, _CJK)))


def _estimated(prompt_tokens: int, quarters: int) -> Usage:
    return Usage(input=max(0, prompt_tokens), output=-(-quarters // 4), source=Source.ESTIMATED)


def _data_of(events: bytes) -> Iterator[bytes]:
    """The data of each event that holds a report."""
    for event in _EVENT_END.split(events):
        if _REPORT.search(event):
            lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
            yield b"\n".join(lines) if lines else event


def _decoded(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _loose_report(data: bytes) -> tuple[dict[str, Any], str] | None:
    """The last report in a piece of an event that was too large to be held whole."""
    for found in reversed(deque(_REPORT.finditer(data), maxlen=_MOST_PLACES)):
        text = data[found.end() : found.end() + _LONGEST_REPORT].decode("utf-8", "replace")
        try:
            held, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        return held, ""
    return None


def _report_of(wire: Wire, held: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """The usage object of an answer or an event, and the service tier beside it."""
    if wire is Wire.RESPONSES:
        held = _mapping(held.get("response")) or held
    elif wire is Wire.MESSAGES:
        held = _mapping(held.get("message")) or held
    report = held.get("usage")
    if not isinstance(report, dict) and wire is Wire.CHAT:
        report = _misplaced(held)
    if not isinstance(report, dict):
        return None
    return report, _tier(report, held)


def _tier(report: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    for name in _TIERS:
        value = report.get(name) or held.get(name)
        if isinstance(value, str) and value not in _ORDINARY_TIERS:
            return value[:_LONGEST_TIER]
    return ""


def _misplaced(held: Mapping[str, Any]) -> object:
    """Where some providers put a stream's usage: in the first choice, or in an object named after themselves."""
    choices = held.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict) and "usage" in choices[0]:
        return choices[0]["usage"]
    return _mapping(held.get("x_groq")).get("usage")


def _read(wire: Wire, report: Mapping[str, Any], tier: str) -> Usage | None:
    usage = _read_messages(report) if wire is Wire.MESSAGES else _read_openai(report)
    if usage.input == 0 and usage.output == 0:
        return None
    return replace(usage, tier=tier) if tier else usage


def _read_messages(report: Mapping[str, Any]) -> Usage:
    cached = _count(report, "cache_read_input_tokens")
    written = _count(report, "cache_creation_input_tokens")
    output = _count(report, "output_tokens")
    details = _mapping(report.get("output_tokens_details"))
    return Usage(
        input=_count(report, "input_tokens") + cached + written,
        cached=cached,
        cache_write=written,
        output=output,
        reasoning=min(_count(details, "thinking_tokens", "reasoning_tokens"), output),
        cache_write_hour=min(_count(_mapping(report.get("cache_creation")), "ephemeral_1h_input_tokens"), written),
    )


def _read_openai(report: Mapping[str, Any]) -> Usage:
    if len(report) == len(_PLAIN_REPORT) and report.keys() == _PLAIN_REPORT:
        asked, output, total = report["prompt_tokens"], report["completion_tokens"], report["total_tokens"]
        if (
            type(asked) is int
            and type(output) is int
            and total == asked + output
            and 0 < asked < _PLAIN_COUNT > output > 0
        ):
            return Usage(asked, 0, 0, output)
    into = _mapping(report.get("prompt_tokens_details") or report.get("input_tokens_details"))
    out_of = _mapping(report.get("completion_tokens_details") or report.get("output_tokens_details"))
    asked = _count(report, "prompt_tokens", "input_tokens")
    cached = _count(into, "cached_tokens") or _count(
        report, "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"
    )
    written = _count(into, "cache_write_tokens", "cache_creation_tokens") or _count(
        report, "cache_creation_input_tokens"
    )
    output = _count(report, "completion_tokens", "output_tokens")
    reasoning = _count(out_of, "reasoning_tokens") or _count(report, "reasoning_tokens")
    if cached + written > asked:
        asked += cached + written
    else:
        beyond = _count(report, "total_tokens") - asked - output
        # Gemini and Grok leave reasoning out of the completion and in the total.
        if beyond > 0 and reasoning in {0, beyond} and beyond not in {cached, cached + written}:
            output, reasoning = output + beyond, beyond
    return Usage(input=asked, cached=cached, cache_write=written, output=output, reasoning=min(reasoning, output))


def _count(held: Mapping[str, Any], *names: str) -> int:
    """The first of these members that is a count; 0 when none is."""
    for name in names:
        value = held.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_COUNT:
            return value
    return 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
