"""What an operator asks of the running gateway: the health of accounts, pause and resume, and reasons."""

from typing import Any

from llm_router.control.supervisor import SupervisorClient
from llm_router.home import Home

Row = dict[str, Any]


def list_accounts(home: Home) -> list[Row]:
    """Every account × model with its health. Raises SupervisorNotRunning and RemoteError."""
    return _rows(_ask(home, op="accounts"))


def pause(home: Home, account: str, reason: str) -> list[Row]:
    """Close an account, or one model of it, until it is resumed; returns what was closed. Raises as above."""
    return _rows(_ask(home, op="pause", account=account, reason=reason))


def resume(home: Home, account: str) -> list[Row]:
    """Open an account, or one model of it, whatever it waits for; returns what was opened. Raises as above."""
    return _rows(_ask(home, op="resume", account=account))


def explain(home: Home, model: str, wire: str) -> dict[str, Any]:
    """Why each candidate for a model would be chosen or skipped now. Raises as above."""
    return _ask(home, op="explain", model=model, wire=wire)


def _ask(home: Home, **message: str) -> dict[str, Any]:
    return SupervisorClient(home).call("gateway", message=message, timeout=10.0)


def _rows(answer: dict[str, Any]) -> list[Row]:
    rows: list[Row] = answer["accounts"]
    return rows
