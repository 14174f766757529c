"""How the outcome of `router profile set` reads."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from llm_router.home import Home

if TYPE_CHECKING:
    from llm_router.control.activation import Switched


def switched_lines(home: Home, outcome: "Switched") -> Iterator[str]:
    """`field=value` lines: what is in force, where it is written, and what of that which runs took it."""
    yield f"profile={outcome.activation.state.profile}"
    yield f"active_config={home.translator_config}"
    yield f"state_file={home.state}"
    yield f"generation={outcome.activation.state.generation}"
    if outcome.applied is None:
        yield "applied=no (nothing runs)"
        return
    units = outcome.applied.get("units")
    for unit in units if isinstance(units, list) else ():
        if isinstance(unit, Mapping):
            done = unit.get("action") or unit.get("state") or "applied"
            yield f"{unit.get('unit', '?')}:{done}" + (f" pid={unit['pid']}" if unit.get("pid") else "")
    yield "applied=yes"


def progress_line(step: Mapping[str, object]) -> str:
    """One line of talk while units are being replaced."""
    reason = f": {step['reason']}" if step.get("reason") else ""
    return f"  {step.get('unit', '')} {step.get('state', '')}{reason}"
