"""What every command line shares: the home, the configuration's path, and the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_router import home as homes
from llm_router.cli.console import Console
from llm_router.home import Home


@dataclass(frozen=True, slots=True)
class Invocation:
    """The global options of one command line, resolved."""

    home: Home
    config: Path
    console: Console

    @classmethod
    def resolve(
        cls, *, home: str, config: str, quiet: bool, no_color: bool, environ: Mapping[str, str]
    ) -> "Invocation":
        """Flags before environment before defaults; see `home.find` for where `.router/` is looked for."""
        place = homes.find(Path(home) if home else None, environ, Path.cwd())
        named = config or environ.get("ROUTER_CONFIG", "")
        return cls(
            home=place,
            config=Path(named).expanduser().absolute() if named else place.config,
            console=Console(quiet=quiet, color=not (no_color or environ.get("NO_COLOR"))),
        )


def of(ctx: Any) -> Invocation:  # noqa: ANN401 - Typer's context carries our object untyped
    """The invocation that a command's context belongs to."""
    held = ctx.find_root().obj
    if not isinstance(held, Invocation):
        raise TypeError("a command ran without `router`'s callback")
    return held
