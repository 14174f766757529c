"""`python -m llm_router.sandbox`: how the supervisor starts the sandbox. By hand, use `router sandbox`."""

import os
import sys

from llm_router.errors import Exit, RouterError, UsageError
from llm_router.sandbox import server
from llm_router.sandbox.recorder import MOST_REQUESTS
from llm_router.sandbox.upstream import Upstream

_USAGE = "usage: python -m llm_router.sandbox [--host 127.0.0.1] [--port N] [--seed N] [--keep N]"


def main(arguments: list[str]) -> int:
    """Run until stopped; returns the exit code."""
    try:
        options = _options(arguments)
        listener = server.inherited(os.environ) or server.listen(
            options.get("--host", "127.0.0.1"), _number(options, "--port", server.DEFAULT_PORT)
        )
        upstream = Upstream(
            wires=server.wires_from(os.environ),
            seed=_number(options, "--seed", 0),
            keep=_number(options, "--keep", MOST_REQUESTS),
        )
        sys.stderr.write(f"sandbox listens on {server.url(listener)}\n")
        server.serve(listener, upstream)
    except RouterError as error:
        sys.stderr.write("\n".join([f"error: {error.message}", *(f"hint: {hint}" for hint in error.hints)]) + "\n")
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


def _options(arguments: list[str]) -> dict[str, str]:
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if len(arguments) % 2 or not options.keys() <= {"--host", "--port", "--seed", "--keep"}:
        raise UsageError(_USAGE)
    return options


def _number(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdecimal():
        raise UsageError(f"`{name}` wants a number, not `{text}`")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
