"""What Prometheus reads, read by Prometheus' own parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from llm_router.gateway.metrics import MOST_SERIES, Metrics
from llm_router.gateway.story import Story
from llm_router.journal.ledger_row import Attempt
from llm_router.providers.prices import Cost
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Candidate, Wire
from llm_router.wire.usage import Usage


def story(model: str = "gpt", *, upstream: str = "up", outcome: Outcome | None = Outcome.SUCCESS) -> Story:
    held = Story("id", 100.0, 0.0, Wire.CHAT, "m", candidate=Candidate(upstream, model))
    held.outcome, held.status = outcome, 200
    held.first_byte, held.usage = 100.03, Usage(input=300, output=40)
    held.attempts = [Attempt(f"{upstream}/{model}", "success")]
    return held


def samples(metrics: Metrics, **gauges: float) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.text(gauges).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    found = [
        number
        for (sample, held), number in samples(metrics).items()
        if sample == name and labels.items() <= dict(held).items()
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def test_everything_of_a_request():
    """Counts, times, tokens, cost and attempts, under names that OpenTelemetry gave them where it did."""
    metrics = Metrics()
    metrics.observe(story(), 101.0, Cost(0.5, "2026-01-01"))
    metrics.observe(story(outcome=None), 100.5, None)

    assert value(metrics, "llm_router_requests_total", outcome="success", status="200") == 1
    assert value(metrics, "llm_router_requests_total", outcome="refused") == 1
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count") == 2
    assert value(metrics, "gen_ai_client_operation_duration_seconds_sum") == pytest.approx(1.5)
    assert value(metrics, "gen_ai_client_operation_duration_seconds_bucket", le="0.64") == 1
    assert value(metrics, "gen_ai_client_operation_duration_seconds_bucket", le="+Inf") == 2
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_bucket", le="0.04") == 2
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 600
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 80
    assert value(metrics, "llm_router_cost_usd_total", gen_ai_provider_name="up", gen_ai_request_model="gpt") == 0.5
    assert value(metrics, "llm_router_attempts_total", candidate="up/gpt", outcome="success") == 2
    assert samples(metrics, llm_router_requests_in_flight=3)["llm_router_requests_in_flight", frozenset()] == 3


def test_large_counts_keep_their_last_digit():
    """A counter of millions still shows the next request."""
    metrics = Metrics()
    metrics.requests["chat", "up", "m", "success", "200"] = 123_456_789
    metrics.cost["chat", "up", "m"] = 1234567.25

    assert value(metrics, "llm_router_requests_total") == 123_456_789
    assert value(metrics, "llm_router_cost_usd_total") == 1234567.25


def test_nothing_counted_yet():
    """An empty page parses too."""
    assert samples(Metrics()) == {}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_names_that_clients_make_up(name: str):
    """Quotes, backslashes and line breaks neither break the page nor merge two names."""
    metrics = Metrics()
    metrics.observe(story(name), 101.0, None)

    assert value(metrics, "llm_router_requests_total", gen_ai_request_model=name) == 1


def test_memory_is_bounded():
    """A client that makes up model names fills no memory, and every request is still counted."""
    metrics = Metrics()
    for number in range(MOST_SERIES + 500):
        metrics.observe(story(f"made-up-{number}"), 101.0, Cost(0.25, ""))

    tables = (metrics.requests, metrics.durations, metrics.first_bytes, metrics.cost, metrics.attempts)
    assert all(len(table) <= MOST_SERIES + 1 for table in tables)
    assert len(metrics.tokens) <= 2 * (MOST_SERIES + 1)
    assert sum(metrics.requests.values()) == sum(metrics.attempts.values()) == MOST_SERIES + 500
