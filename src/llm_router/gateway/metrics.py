"""Counters and histograms of the gateway: added to on the way, put into Prometheus' form when somebody asks.

Names follow OpenTelemetry's conventions for generative AI where there is one; the rest begins with `llm_router_`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from llm_router.gateway.story import Story
from llm_router.providers.prices import Cost

# Bounds that OpenTelemetry's conventions give for these two histograms.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
MOST_SERIES = 2000  # of one metric: beyond that a client could fill the memory with model names
Labels = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """Counts by bound, cumulative only when shown."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """One observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class _Series:
    """The histograms of one account and model, found once."""

    duration: Histogram
    first_byte: Histogram | None = None
    tokens: tuple[Histogram, ...] | None = None


@dataclass(slots=True)
class Metrics:
    """Everything counted since the process began."""

    requests: dict[Labels, int] = field(default_factory=lambda: defaultdict(int))
    durations: dict[Labels, Histogram] = field(default_factory=dict)
    first_bytes: dict[Labels, Histogram] = field(default_factory=dict)
    tokens: dict[Labels, Histogram] = field(default_factory=dict)
    cost: dict[Labels, float] = field(default_factory=lambda: defaultdict(float))
    attempts: dict[Labels, int] = field(default_factory=lambda: defaultdict(int))
    _series: dict[Labels, "_Series"] = field(default_factory=dict)

    def observe(self, story: Story, now: float, cost: Cost | None) -> None:
        """A request has ended."""
        candidate = story.candidate
        who = (str(story.wire), candidate.upstream if candidate else "", candidate.model[:100] if candidate else "")
        outcome = str(story.outcome) if story.outcome is not None else "refused"
        ended = (*who, outcome, str(story.status))
        if ended not in self.requests and len(self.requests) >= MOST_SERIES:
            who = (who[0], who[1], "other")
            ended = (*who, outcome, ended[-1])
        self.requests[ended] += 1
        series = self._series.get(who) or self._new_series(who)
        series.duration.add(now - story.started)
        if story.first_byte is not None:
            if series.first_byte is None:
                series.first_byte = _of(self.first_bytes, who, SECONDS)
            series.first_byte.add(story.first_byte - story.started)
        if story.usage is not None:
            if series.tokens is None:
                series.tokens = tuple(_of(self.tokens, (*who, kind), TOKENS) for kind in ("input", "output"))
            series.tokens[0].add(story.usage.input)
            series.tokens[1].add(story.usage.output)
        if cost is not None:
            self.cost[who] += cost.usd
        for attempt in story.attempts:
            tried = (attempt.candidate[:150], attempt.outcome)
            if tried not in self.attempts and len(self.attempts) >= MOST_SERIES:
                tried = (f"{attempt.candidate.partition('/')[0]}/other", attempt.outcome)
            self.attempts[tried] += 1

    def _new_series(self, who: Labels) -> "_Series":
        held = self._series[who] = _Series(_of(self.durations, who, SECONDS))
        return held

    def text(self, gauges: Mapping[str, float]) -> bytes:
        """Prometheus' text form, version 0.0.4; `gauges` are what is true at this moment, by full name."""
        return ("\n".join(self._lines(gauges)) + "\n").encode()

    def _lines(self, gauges: Mapping[str, float]) -> Iterator[str]:
        who = ("wire", "gen_ai_provider_name", "gen_ai_request_model")
        yield from _counter(
            "llm_router_requests_total", "Requests by how they ended", (*who, "outcome", "status"), self.requests
        )
        yield from _histogram(
            "gen_ai_client_operation_duration_seconds", "From request to last byte", who, self.durations
        )
        yield from _histogram(
            "gen_ai_server_time_to_first_token_seconds", "From request to first byte", who, self.first_bytes
        )
        yield from _histogram(
            "gen_ai_client_token_usage", "Tokens of an answer", (*who, "gen_ai_token_type"), self.tokens
        )
        yield from _counter("llm_router_cost_usd_total", "Cost where a price is known", who, self.cost)
        yield from _counter("llm_router_attempts_total", "Calls to candidates", ("candidate", "outcome"), self.attempts)
        for name, value in gauges.items():
            yield f"# TYPE {name} gauge"
            yield f"{name} {_number(value)}"


def _of(held: dict[Labels, Histogram], labels: Labels, bounds: tuple[float, ...]) -> Histogram:
    found = held.get(labels)
    if found is None:
        found = held[labels] = Histogram(bounds)
    return found


def _counter(name: str, help_text: str, names: Labels, values: Mapping[Labels, float]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} counter"
    for labels, value in values.items():
        yield f"{name}{_labels(zip(names, labels, strict=True))} {_number(value)}"


def _histogram(name: str, help_text: str, names: Labels, values: Mapping[Labels, Histogram]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} histogram"
    for labels, histogram in values.items():
        pairs = list(zip(names, labels, strict=True))
        seen = 0
        for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
            seen += count
            shown = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield f"{name}_bucket{_labels([*pairs, ('le', shown)])} {seen}"
        yield f"{name}_sum{_labels(pairs)} {_number(histogram.total)}"
        yield f"{name}_count{_labels(pairs)} {seen}"


def _number(value: float) -> str:
    """A number with all its digits: a count of seven digits must still be seen to grow by one."""
    return str(int(value)) if float(value).is_integer() else repr(value)


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    shown = (f'{name}="{_escaped(value)}"' for name, value in pairs)
    return "{" + ",".join(shown) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
