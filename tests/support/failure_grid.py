"""What a client, an account's health, the ledger and the events show when an upstream fails: one table.

The tests of the grid hold every cell against a real gateway, and `docs/failures.md` is written from the same cells:

    cd tests && python -m support.failure_grid > ../docs/failures.md
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MOVED = "ai_provider_failover"


class Course(StrEnum):
    """What the gateway does about a failure."""

    MOVES = "moves"  # asks the next account; without one, says that it failed
    RETURNS = "returns"  # gives the client its own fault back and asks nobody else
    ENDS = "ends"  # output has begun: ends the stream with an error event
    PASSES = "passes"  # cannot be told from an answer


@dataclass(frozen=True, slots=True)
class Meets:
    """One failure, met plain or streamed. `alone` is what the client gets without a backup."""

    alone: str
    attempt: str  # class and reason, as the ledger's attempts have them
    code: str  # the ledger's code, without a backup
    health: str = "healthy, 1 failure"
    course: Course = Course.MOVES


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the page: what the upstream does, and what follows, streamed too unless said otherwise."""

    name: str
    what: str
    plain: Meets
    streamed: Meets | None = None

    def meets(self, *, streamed: bool) -> Meets:
        return self.streamed if streamed and self.streamed is not None else self.plain


@dataclass(frozen=True, slots=True)
class Cell:
    """What is seen of one request."""

    client: str
    health: str
    ledger: str
    events: tuple[str, ...]


def _unreachable(reason: str) -> Meets:
    return Meets("503 provider_unavailable, Retry-After: 1", f"outage {reason}", "AI_PROVIDER_UNAVAILABLE")


def _late(reason: str) -> Meets:
    return Meets("504 timeout", f"outage {reason}", "TIMEOUT")


def _status(status: int, code: str) -> Meets:
    return Meets(f"{status} {code}", f"outage {code}", "LLM_API_ERROR")


def _refused(status: int, code: str) -> Meets:
    return Meets(f"{status} {code}", f"request {code}", code, "healthy", Course.RETURNS)


def _credential(status: int, code: str) -> Meets:
    return Meets(
        "502 upstream_auth_failed, x-should-retry: false",
        f"credential {code}",
        "AI_AUTH_FAILED",
        "cooling (credential), 900 s",
    )


def _breaks(reason: str) -> Meets:
    return Meets(
        "200, then the error event stream_disconnected", f"outage {reason}", "LLM_API_ERROR", course=Course.ENDS
    )


_THROTTLED = "throttle rate_limit_exceeded"
_PASSED = Meets("200, as it came", "success", "", "healthy", Course.PASSES)
_IN_200 = Meets("502 server_error", "outage server_error", "LLM_API_ERROR")

FAULTS = (
    Fault("dns", "its name has no address", _unreachable("dns")),
    Fault("refused", "nobody listens at its port", _unreachable("connect")),
    Fault("tls", "it does not speak TLS where it should", _unreachable("tls")),
    Fault("reset", "it resets the connection instead of answering", _unreachable("broken")),
    Fault("408", "408", _status(408, "request_timeout")),
    Fault(
        "429-retry-after",
        "429 with `Retry-After: 7`",
        Meets("429 rate_limit_exceeded, Retry-After: 7", _THROTTLED, "AI_RATE_LIMITED", "cooling (throttle), 7 s"),
    ),
    Fault(
        "429",
        "429 that does not say for how long",
        Meets("429 rate_limit_exceeded", _THROTTLED, "AI_RATE_LIMITED", "cooling (throttle), 10 s"),
    ),
    Fault(
        "quota",
        "429 with the code `insufficient_quota`",
        Meets(
            "429 insufficient_quota", "exhausted insufficient_quota", "AI_RATE_LIMITED", "cooling (exhausted), 900 s"
        ),
    ),
    Fault("401", "401", _credential(401, "invalid_api_key")),
    Fault("403", "403", _credential(403, "permission_denied")),
    Fault("400", "400", _refused(400, "invalid_request_error")),
    Fault("404", "404", _refused(404, "not_found")),
    Fault("413", "413", _refused(413, "request_too_large")),
    Fault("422", "422", _refused(422, "unprocessable")),
    Fault("500", "500", _status(500, "server_error")),
    Fault("502", "502", _status(502, "bad_gateway")),
    Fault("503", "503", _status(503, "service_unavailable")),
    Fault("504", "504", _status(504, "gateway_timeout")),
    Fault("529", "529", _status(529, "overloaded")),
    Fault("slow-headers", "no status line within `timeouts.first_byte`", _late("first_byte_timeout")),
    Fault("slow-first-byte", "a status line, and no byte behind it in that time", _late("first_byte_timeout")),
    Fault(
        "stall",
        "it stops in mid-answer for longer than `timeouts.idle`",
        _late("idle_timeout"),
        _breaks("idle_timeout"),
    ),
    Fault("cut", "it hangs up in mid-answer", _unreachable("broken"), _breaks("broken")),
    Fault("malformed", "a broken line in the stream; broken JSON", _PASSED),
    Fault("error-in-200", "200, and an error in place of output", _IN_200),
    Fault("empty", "200, and nothing", _unreachable("broken")),
)

# The same in Anthropic's words: types for codes, and 529 where the router has nobody left to ask.
ANTHROPIC = {
    "provider_unavailable": "overloaded_error",
    "upstream_auth_failed": "api_error",
    "timeout": "timeout_error",
    "request_timeout": "timeout_error",
    "rate_limit_exceeded": "rate_limit_error",
    "invalid_api_key": "authentication_error",
    "permission_denied": "permission_error",
    "not_found": "not_found_error",
    "unprocessable": "invalid_request_error",
    "server_error": "api_error",
    "bad_gateway": "api_error",
    "service_unavailable": "overloaded_error",
    "gateway_timeout": "timeout_error",
    "overloaded": "overloaded_error",
}
_NOBODY_LEFT = re.compile(r"503 (?=provider_unavailable|outage AI_PROVIDER_UNAVAILABLE)")
_WORDS = re.compile(rf"\b(?:{'|'.join(ANTHROPIC)})\b")


def in_messages(cell: Cell) -> Cell:
    """A cell as a client of Anthropic's messages sees it."""
    client, ledger = (
        _WORDS.sub(lambda found: ANTHROPIC[found[0]], _NOBODY_LEFT.sub("529 ", text))
        for text in (cell.client, cell.ledger)
    )
    return Cell(client, cell.health, ledger, cell.events)


def expected(fault: Fault, *, streamed: bool, backup: bool) -> Cell:
    """What must be seen in one cell."""
    meets = fault.meets(streamed=streamed)
    changed = ("account_health",) if meets.health.startswith("cooling") else ()
    if meets.course is Course.MOVES and backup:
        return Cell(
            "200 from the backup",
            meets.health,
            f"200 success; {meets.attempt}, success",
            ("ai_run_started", *changed, f"{MOVED} primary_unavailable"),
        )
    if meets.course is Course.PASSES:
        return Cell(meets.alone, meets.health, "200 success; success", ("ai_run_started",))
    status = meets.alone[:3]
    kind = meets.attempt.partition(" ")[0]
    return Cell(
        meets.alone, meets.health, f"{status} {kind} {meets.code}; {meets.attempt}", ("ai_run_started", *changed)
    )


def page() -> str:
    """docs/failures.md."""
    words = [f"| `{code}` | `{kind}` |" for code, kind in ANTHROPIC.items()]
    tables = [*_table(streamed=False), "", "## Streamed\n", *_table(streamed=True), ""]
    return "\n".join([_HEAD, *tables, _WORDS_HEAD, *words, "", _FOOT])


def _table(*, streamed: bool) -> Iterator[str]:
    yield "| The upstream … | Alone, the client gets | With a backup | Its health | Ledger, alone | Events |"
    yield "|---|---|---|---|---|---|"
    for fault in FAULTS:
        alone = expected(fault, streamed=streamed, backup=False)
        helped = expected(fault, streamed=streamed, backup=True)
        same = helped.client == alone.client
        events = ", ".join(f"`{name}`" for name in alone.events if name != "ai_run_started")
        more = ", ".join(f"`{name}`" for name in helped.events if name not in alone.events)
        cells = (
            fault.what,
            alone.client,
            "the same" if same else helped.client,
            alone.health,
            alone.ledger,
            "; ".join(filter(None, (events, f"with a backup {more}" if more else ""))) or "–",
        )
        yield f"| {' | '.join(cells)} |"


_HEAD = """\
# When an upstream fails

What one request shows when its account fails in each of these ways, without and with a second account behind it. This
page is written by `cd tests && python -m support.failure_grid > ../docs/failures.md` from the table that the tests of
the grid hold against a real gateway and real sockets; a test fails when the page is not what the table says.

- Before the first byte of output the request goes to the next account. After it nothing can be taken back: the stream
  ends with an error event in the client's own format, and nobody else's words are put behind it.
- With one account, and no other to ask, an error answer is the upstream's own, byte for byte; what never was an answer
  is told by the router. When several accounts failed, it is `AI_PROVIDER_UNAVAILABLE` (503; 529 `overloaded_error` for
  Anthropic clients), or 429 when all of them are throttled.
- *Health* is of one account for one model. The third failure in a row degrades it (`ai_provider_degraded`); a cooling
  account is left alone for the time shown. A caller's own fault changes nothing and is never sent to anybody else.
- *Ledger*: status, class and code of the request; then each account that was asked, with why it failed. With a backup
  the row is `200 success`, and the failure stands among its attempts.
- Every request that asks an account begins with `ai_run_started`.
- Codes are those of chat completions and responses; the last table has Anthropic's words for them.

## Plain
"""
_WORDS_HEAD = """\
## In Anthropic's words

| Code | Type |
|---|---|"""
_FOOT = """\
A broken line inside a stream, or JSON that is cut short by its own upstream, passes as it came: the same-format lane
changes no byte. Where the connection says that something is missing, the table's rows for hanging up apply.
"""


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
