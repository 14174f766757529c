"""Faults: how one is written, which request it strikes, and what it does to an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llm_router.errors import UsageError
from llm_router.sandbox.conversation import mapping

HEADER = "x-sandbox-fault"
LONGEST_DELAY = 3600.0  # seconds


class FaultSpecError(UsageError):
    """A fault was described in a way that the sandbox does not know."""

    code = "sandbox.bad_fault"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer. Delays are in seconds, `cut_after` in chunks; None and 0 mean: nothing."""

    status: int | None = None
    retry_after: str = ""
    headers_delay: float = 0.0
    first_byte_delay: float = 0.0
    token_delay: float = 0.0
    cut_after: int | None = None
    malformed: bool = False
    empty: bool = False


def _seconds(text: str) -> float:
    value = float(text.removesuffix("s"))
    if not 0 <= value <= LONGEST_DELAY:
        raise ValueError(text)
    return value


def _status(text: str) -> int:
    if not 400 <= (status := int(text)) <= 599:
        raise ValueError(text)
    return status


def _count(text: str) -> int:
    if (count := int(text)) < 0:
        raise ValueError(text)
    return count


def _header_value(text: str) -> str:
    if not text.isascii() or not text.isprintable() or not text:
        raise ValueError(text)
    return text


@dataclass(frozen=True, slots=True)
class Kind:
    """One word of a fault's description. `read` is None for a word that takes no value."""

    example: str
    help: str
    read: Callable[[str], Any] | None = None

    @property
    def name(self) -> str:
        """The word itself; also the field of `Fault` that it sets."""
        return self.example.partition("=")[0]


KINDS = (
    Kind("status=503", "answer with this status and the error body of the request's wire", _status),
    Kind("retry_after=7", "send `Retry-After` with it; means status=429 when no status is given", _header_value),
    Kind("headers_delay=0.5", "wait this many seconds before the status line", _seconds),
    Kind("first_byte_delay=0.5", "send the headers, then wait this many seconds before the first byte", _seconds),
    Kind("token_delay=0.1", "wait this many seconds between two chunks of a stream", _seconds),
    Kind("cut_after=3", "close the connection after this many chunks; a plain answer is cut in half", _count),
    Kind("malformed", "put a broken line into the middle of a stream; a plain answer becomes broken JSON"),
    Kind("empty", "answer 200 with nothing in it"),
)
_BY_NAME = {kind.name: kind for kind in KINDS}


def explain() -> str:
    """The table of faults as text, for help and for the sandbox's start page."""
    width = max(len(kind.example) for kind in KINDS)
    return "\n".join(f"{kind.example:<{width}}  {kind.help}" for kind in KINDS)


def parse(spec: str) -> Fault:
    """A fault from its description, e.g. `status=429,retry_after=7`. Raises FaultSpecError."""
    values: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in spec.split(","))):
        name, equals, text = (piece.strip() for piece in part.partition("="))
        kind = _BY_NAME.get(name)
        if kind is None:
            known = ", ".join(_BY_NAME)
            raise FaultSpecError(f"There is no fault `{name}`; known: {known}", hints=_HINTS)
        if kind.read is None:
            if equals:
                raise FaultSpecError(f"The fault `{name}` takes no value", hints=_HINTS)
            values[name] = True
            continue
        try:
            values[name] = kind.read(text)
        except ValueError:
            raise FaultSpecError(f"`{part}` is not a fault; an example: `{kind.example}`", hints=_HINTS) from None
    if "retry_after" in values:
        values.setdefault("status", 429)
    return Fault(**values)


_HINTS = ("`router sandbox fault --help` lists the faults",)


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault that is switched on. `left` counts the requests it still strikes; None means all.

    `every` strikes one of so many requests: the last of each so many that no earlier rule struck.
    """

    spec: str
    fault: Fault
    count: int | None = None
    left: int | None = None
    match: Mapping[str, str] = field(default_factory=dict)
    every: int = 1
    passed: int = 0  # requests let through since the last that it struck

    @classmethod
    def read(cls, body: object) -> "Rule":
        """A rule from its JSON: `spec`, and if wanted `count`, `every` and `match`. Raises FaultSpecError."""
        given = mapping(body)
        count, every, match = given.get("count"), given.get("every", 1), mapping(given.get("match"))
        if not isinstance(given.get("spec"), str) or unknown_keys(given, {"spec", "count", "every", "match"}):
            raise FaultSpecError('A fault is {"spec": "…", "count": N or null, "match": {"model": "…", "wire": "…"}}')
        if not isinstance(every, int) or isinstance(every, bool) or every < 1:
            raise FaultSpecError("`every` is a whole number above zero")
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise FaultSpecError("`count` is a whole number above zero, or null for every request")
        if unknown_keys(match, {"model", "wire"}) or not all(isinstance(value, str) for value in match.values()):
            raise FaultSpecError("`match` may name a `model` and a `wire`")
        return cls(given["spec"], parse(given["spec"]), count, count, match, every)

    def strikes(self, *, model: str, wire: str) -> bool:
        """Whether a request is one that this rule means."""
        asked = {"model": model, "wire": wire}
        return self.left != 0 and all(asked[key] == wanted for key, wanted in self.match.items())

    def as_json(self) -> dict[str, Any]:
        """The rule as the sandbox shows it."""
        shown = {"spec": self.spec, "count": self.count, "left": self.left, "match": dict(self.match)}
        return shown if self.every == 1 else {**shown, "every": self.every}


def unknown_keys(given: Mapping[str, Any], known: set[str]) -> set[str]:
    """The keys of `given` that mean nothing."""
    return set(given) - known


class Switchboard:
    """The faults that are switched on, in order; the first that means a request strikes it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def switch(self, body: object) -> None:
        """Replace all rules with those of `body`, one rule or a list of them. Raises FaultSpecError."""
        self.rules = [Rule.read(one) for one in (body if isinstance(body, list) else [body])]

    def clear(self) -> None:
        """Switch everything off."""
        self.rules = []

    def strike(self, *, model: str, wire: str) -> Rule | None:
        """The rule that strikes a request, counted as used; None when it is left alone."""
        for index, rule in enumerate(self.rules):
            if not rule.strikes(model=model, wire=wire):
                continue
            if rule.passed + 1 < rule.every:
                self.rules[index] = replace(rule, passed=rule.passed + 1)
                continue
            left = None if rule.left is None else rule.left - 1
            self.rules[index] = replace(rule, left=left, passed=0)
            return rule
        return None
