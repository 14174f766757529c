"""The measurements, one at a time, each a dictionary of numbers. Percentiles by nearest rank."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.subjects import ROOT, Subject, cores, pin

CONNECTIONS = 32
PACE = 50.0  # requests a second
TOKEN_RATE = 25  # tokens a second of each stream
STREAM_COUNTS = (1, 50, 200)
_BULK_TOKENS = 2000  # tokens of each unthrottled stream
_BULK_STREAMS = 10

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of each: seconds of a throughput or paced round, tokens of a throttled stream, tokens in bulk."""

    seconds: float = 3.0
    stream_tokens: int = 50
    bulk_tokens: int = 1_000_000
    bulk_seconds: float = 60.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie; NaN without any."""
    held = sorted(values)
    return held[min(len(held) - 1, int(len(held) * share))] if held else float("nan")


def run_load(subject: Subject, **job: object) -> dict[str, Any]:
    """Run one job of the load generator against a subject."""
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks" / "load.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if held := cores():
        pin(psutil.Process(child.pid), held[0])
        if subject.process is not None:
            pin(subject.process, held[1])
    said, _ = child.communicate(json.dumps({"port": subject.port, "key": subject.key, **job}))
    if child.returncode != 0:
        raise RuntimeError(f"the load against {subject.name} failed")
    result: dict[str, Any] = json.loads(said)
    return result


def warm_up(subject: Subject, seconds: float) -> None:
    """Let a subject import, compile and connect what it does at its first requests."""
    run_load(subject, kind="throughput", model="plain", connections=CONNECTIONS, seconds=seconds)
    run_load(subject, kind="streams", model="stream-5-25", connections=CONNECTIONS, seconds=0, limit=60)


def throughput(subject: Subject, scale: Scale) -> Numbers:
    """Requests each second at 32 connections, and CPU of the subject for one request."""
    before = subject.cpu_seconds()
    done = run_load(subject, kind="throughput", model="plain", connections=CONNECTIONS, seconds=scale.seconds)
    used = subject.cpu_seconds() - before
    return {
        "requests_per_second": done["requests"] / done["seconds"],
        "cpu_us_per_request": used / done["requests"] * 1e6,
        "failed": done["failed"],
        "memory_mib_under_load": subject.memory_mib(),
    }


def paced(subject: Subject, scale: Scale) -> Numbers:
    """Latency at 50 requests each second."""
    done = run_load(subject, kind="paced", model="plain", connections=8, seconds=scale.seconds, rate=PACE)
    held = done["latencies"]
    return {
        "latency_ms_p50": percentile(held, 0.5),
        "latency_ms_p99": percentile(held, 0.99),
        "failed": done["failed"],
    }


def streams(subject: Subject, scale: Scale, count: int) -> Numbers:
    """So many streams at once at 25 tokens a second each: first token, and how long each token is under way."""
    model = f"stream-{scale.stream_tokens}-{TOKEN_RATE}"
    before = subject.cpu_seconds()
    done = run_load(subject, kind="streams", model=model, connections=count, seconds=0, limit=60)
    used = subject.cpu_seconds() - before
    return {
        "first_token_ms_p50": percentile(done["firsts"], 0.5),
        "chunk_ms_p50": percentile(done["delays"], 0.5),
        "chunk_ms_p99": percentile(done["delays"], 0.99),
        "cpu_us_per_token": used / max(1, done["tokens"]) * 1e6,
        "failed": done["failed"],
    }


def bulk(subject: Subject, scale: Scale) -> Numbers:
    """Many tokens as fast as they go: memory before and after, tokens each second; bounded in tokens and time."""
    before, used_before = subject.memory_mib(), subject.cpu_seconds()
    tokens, seconds, failed = 0, 0.0, 0
    model = f"stream-{_BULK_TOKENS}-0"
    while tokens < scale.bulk_tokens and seconds < scale.bulk_seconds and not failed:
        done = run_load(subject, kind="streams", model=model, connections=_BULK_STREAMS, seconds=0, limit=60)
        tokens, seconds, failed = tokens + done["tokens"], seconds + done["seconds"], failed + done["failed"]
    return {
        "tokens": tokens,
        "tokens_per_second": tokens / seconds,
        "cpu_us_per_token": (subject.cpu_seconds() - used_before) / max(1, tokens) * 1e6,
        "memory_mib_before": before,
        "memory_mib_after": subject.memory_mib(),
        "failed": failed,
    }
