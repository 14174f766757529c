"""Asking a running sandbox: faults switched from outside, and what it received."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from llm_router.errors import RouterError, UsageError

SECONDS_TO_ANSWER = 5.0


class SandboxUnreachableError(RouterError):
    """No sandbox answers at the address."""

    code = "sandbox.unreachable"


class SandboxRefusedError(UsageError):
    """The sandbox did not take what it was told."""

    code = "sandbox.refused"


def switch_fault(url: str, spec: str, *, count: int | None, match: Mapping[str, str]) -> list[dict[str, Any]]:
    """Make `spec` the one fault of the sandbox at `url`; returns the faults that are on. Raises RouterError."""
    return _listed(_ask(url, "PUT", "/sandbox/faults", {"spec": spec, "count": count, "match": dict(match)}), "faults")


def clear_faults(url: str) -> list[dict[str, Any]]:
    """Switch all faults off. Raises RouterError."""
    return _listed(_ask(url, "DELETE", "/sandbox/faults"), "faults")


def faults(url: str) -> list[dict[str, Any]]:
    """The faults that are on: `spec, count, left, match`. Raises RouterError."""
    return _listed(_ask(url, "GET", "/sandbox/faults"), "faults")


def requests(url: str, limit: int) -> list[dict[str, Any]]:
    """What the sandbox received lately, newest first, as `recorder.Record.as_json`. Raises RouterError."""
    return _listed(_ask(url, "GET", f"/sandbox/requests?limit={limit}"), "requests")


def _ask(url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    parts = urlsplit(url)
    try:
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=SECONDS_TO_ANSWER)
    except (ValueError, http.client.InvalidURL) as error:
        raise SandboxRefusedError(f"`{url}` is no address of a sandbox; an example: http://127.0.0.1:8320") from error
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        answer = connection.getresponse()
        found = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SandboxUnreachableError(
            f"No sandbox answers at {url}",
            hints=["`router sandbox` starts one; `--url` names where it runs"],
        ) from error
    finally:
        connection.close()
    if answer.status >= 400 or not isinstance(found, dict):
        raise SandboxRefusedError(_message(found), hints=["`router sandbox fault --help` lists the faults"])
    return found


def _message(found: object) -> str:
    error = found.get("error") if isinstance(found, dict) else None
    return str(error["message"]) if isinstance(error, dict) and "message" in error else "That is no sandbox"


def _listed(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    held = found.get(name)
    if not isinstance(held, list):
        raise SandboxUnreachableError("What answers there is no sandbox", hints=["`--url` names where it runs"])
    return held
