"""The configuration of one command line, for every command that needs it."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_router.cli import invocation

if TYPE_CHECKING:
    from llm_router.config.load import Loaded


def loaded(ctx: Any, sets: Sequence[str] = ()) -> "Loaded":  # noqa: ANN401 - Typer's context carries our object untyped
    """Load the configuration, with `--set` overrides; say so when it is an older one. Raises ConfigError."""
    from llm_router.config.environment import from_flag
    from llm_router.config.load import load

    current = invocation.of(ctx)
    found = load(current.config, environ=os.environ, flags=[from_flag(text) for text in sets])
    if found.migrated:
        current.console.warn(found.notices[0])
    return found
