"""What a failed answer means, and how long its account should be left alone: signs read in one place.

A code that names its cause decides; then the status; then the page that stands in an upstream's place. Times come from
the headers, then from the error object. Nothing here raises, whatever an upstream sends.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llm_router.providers import failure_signs as signs
from llm_router.providers.failure_signs import Form
from llm_router.routing.outcome import Outcome, classify

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DATA = re.compile(rb"^data:[ \t]*(.*?)\r?$", re.MULTILINE)
LONGEST_WAIT = 366 * 86400.0
LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Reading:
    """One failed answer, understood. `wait` is seconds that the server asked for, if it did."""

    outcome: Outcome
    code: str
    message: str
    wait: float | None = None


def read_failure(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Reading:
    """Read an answer with a status of 300 or more; `headers` have lower-case names, `now` is seconds since 1970."""
    error = _error_object(body)
    codes = list(_codes(error))
    message = _message(error)
    outcome = _outcome(status, codes)
    if message.startswith(signs.EXHAUSTED_MESSAGES):
        outcome = Outcome.EXHAUSTED
    if outcome is Outcome.CREDENTIAL and any(mark in body for mark in signs.CHALLENGE_MARKS):
        outcome = Outcome.OUTAGE
    wait = _wait(headers, error, now) if outcome is not Outcome.REQUEST else None
    return Reading(outcome, codes[0] if codes else "", message, wait)


def read_stream_error(head: bytes, now: float) -> Reading | None:
    """The error that a stream begins with instead of output; None when `head` holds no error event."""
    if b"error" not in head:
        return None
    for found in _DATA.finditer(head):
        event = _loaded(found[1])
        if not isinstance(event, dict):
            continue
        error = _event_error(event)
        if error is not None:
            codes = list(_codes(error))
            return Reading(
                _outcome(_status(error), codes), codes[0] if codes else "", _message(error), _wait({}, error, now)
            )
    return None


def _outcome(status: int, codes: list[str]) -> Outcome:
    by_status = classify(status)
    for code in codes:
        if code in signs.EXHAUSTED_CODES:
            return Outcome.EXHAUSTED
        if code in signs.VAGUE_CODES and by_status is not Outcome.SUCCESS:
            continue
        for table, outcome in (
            (signs.THROTTLE_CODES, Outcome.THROTTLE),
            (signs.OUTAGE_CODES, Outcome.OUTAGE),
            (signs.CREDENTIAL_CODES, Outcome.CREDENTIAL),
            (signs.REQUEST_CODES, Outcome.REQUEST),
        ):
            if code in table:
                return outcome
    return Outcome.OUTAGE if by_status is Outcome.SUCCESS else by_status


def _event_error(event: dict[str, Any]) -> dict[str, Any] | None:
    """The error object of a stream event of any wire."""
    response = event.get("response")
    if event.get("type") == "response.failed" and isinstance(response, dict):
        held = response.get("error")
        return held if isinstance(held, dict) else {}
    held = event.get("error")
    if isinstance(held, dict):
        return held
    return event if event.get("type") == "error" else None


def _status(error: Mapping[str, Any]) -> int:
    """The status that an error event names, or 200: the stream's own."""
    for name in ("status", "status_code", "code"):
        value = error.get(name)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 200


def _error_object(body: bytes) -> dict[str, Any]:
    held = _loaded(body)
    if not isinstance(held, dict):
        return {}
    error = held.get("error", held)
    return error if isinstance(error, dict) else {"message": str(error)}


def _loaded(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """Every code that an error names, the most telling first."""
    details = error.get("details")
    inner = [details] if isinstance(details, dict) else details if isinstance(details, list) else []
    for held in (*inner, error):
        if isinstance(held, dict):
            for name in ("code", "error_code", "type"):
                value = held.get(name)
                if isinstance(value, str) and value:
                    yield value.lower()[:100]


def _message(error: Mapping[str, Any]) -> str:
    value = error.get("message") or error.get("detail") or ""
    return (value if isinstance(value, str) else json.dumps(value, default=str))[:LONGEST_MESSAGE]


def _wait(headers: Mapping[str, str], error: Mapping[str, Any], now: float) -> float | None:
    for name, form in signs.RESET_HEADERS.items():
        if (value := headers.get(name)) is not None and (wait := _parsed(value, form, now)) is not None:
            return wait
    empty = [
        wait
        for remaining, reset, form in signs.WINDOW_HEADERS
        if _is_empty(headers.get(remaining)) and (wait := _parsed(headers.get(reset, ""), form, now)) is not None
    ]
    if empty:
        return max(empty)
    for name in signs.RESET_IN_MEMBERS:
        if (seconds := _number(error.get(name))) is not None:
            return _bounded(seconds)
    for name in signs.RESET_AT_MEMBERS:
        if (moment := _number(error.get(name))) is not None:
            return _bounded(moment - now)
    return None


def _is_empty(remaining: str | None) -> bool:
    return remaining is not None and _number(remaining) == 0


def _parsed(value: str, form: Form, now: float) -> float | None:
    value = value.strip()
    number = _number(value)
    match form:
        case Form.SECONDS:
            return _bounded(number)
        case Form.MILLISECONDS:
            return _bounded(None if number is None else number / 1000)
        case Form.EPOCH:
            return _bounded(None if number is None else number - now)
        case Form.DURATION:
            parts = _DURATION.findall(value)
            return _bounded(sum(float(size) * _UNITS[unit] for size, unit in parts) if parts else number)
        case Form.MOMENT:
            return _until(value, now)
        case Form.DATE_OR_SECONDS:
            return _bounded(number) if number is not None else _until_date(value, now)


def _until(value: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return _bounded((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


def _until_date(value: str, now: float) -> float | None:
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None


def _bounded(seconds: float | None) -> float | None:
    """A wait that makes sense: never negative, at most a year."""
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)
