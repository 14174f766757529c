"""What differs between two profiles once they are compiled."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_router.config.schema import Settings

ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two profiles do not share; `-` stands for one that is not there."""

    key: str
    before: str
    after: str


def compare(settings: "Settings", before: str, after: str) -> list[Difference]:
    """The differences between two profiles, in the order of their keys. Raises UnknownName."""
    old, new = (_facts(settings, profile) for profile in (before, after))
    keys = sorted({*old, *new})
    pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def facts(settings: "Settings", profile: str) -> dict[str, Any]:
    """What one profile decides: its numbers, its fallbacks, its models and LiteLLM's own settings."""
    from llm_router.config.compile import compile_plan

    plan = compile_plan(settings, profile)
    return {
        "description": settings.profiles[profile].description,
        "retries": plan.policy.retries,
        "failures_until_degraded": plan.policy.failures_until_degraded,
        "cooldown": plan.policy.cooldown,
        "cooldown_cap": plan.policy.cooldown_cap,
        "strategy": plan.policy.strategy.value,
        "affinity": plan.policy.affinity,
        "plan_to_paid": plan.policy.plan_to_paid,
        "fallbacks": dict(plan.policy.fallbacks),
        "models": {model.pattern: [str(candidate) for candidate in model.candidates] for model in plan.models},
        "litellm": settings.litellm_base(profile),
    }


def _facts(settings: "Settings", profile: str) -> dict[str, str]:
    held = facts(settings, profile)
    del held["description"]
    return dict(_flat(held, ""))


def _flat(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            yield from _flat(held, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield key, ", ".join(value)
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)
