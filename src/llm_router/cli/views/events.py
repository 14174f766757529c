"""How one event reads as a line."""

from collections.abc import Mapping
from typing import Any

FIXED = ("timestamp", "event", "service", "profile", "provider", "result", "detail")


def event_line(row: Mapping[str, Any]) -> str:
    """`2026-11-20T23:00:38.009+00:00  unit_ready       success   sandbox  pid 4711`."""
    who = row["service"] or row["provider"] or row["profile"]
    extra = " ".join(f"{name}={value}" for name, value in row.items() if name not in FIXED)
    line = f"{row['timestamp']}  {row['event']:<16} {row['result']:<16} {who:<10} {row['detail']}"
    return f"{line.rstrip()} {extra}".rstrip()
