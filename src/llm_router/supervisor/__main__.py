"""`python -m llm_router.supervisor`: the daemon that holds the sockets and runs the units.

Started by `router up`; by hand with `--foreground`. It tells through `--report-fd` how its start went.
"""

import argparse
import json
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Run the supervisor; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m llm_router.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the .router folder")
    parser.add_argument("--idle", action="store_true", help="start no unit until told to")
    parser.add_argument("--foreground", action="store_true", help="stay attached: for systemd and containers")
    parser.add_argument("--report-fd", type=int, default=-1, help="where to report the start, as one JSON line")
    options = parser.parse_args(arguments)
    keep_private()
    # the parent of this process waits for it: its child is nobody's but init's, and has no terminal
    if not options.foreground and os.fork():
        return 0
    return _run(options)


def keep_private() -> None:
    """Nobody else reads what this process and its children write; and none of them leaves its memory, which holds keys,
    in a core file.
    """
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _run(options: argparse.Namespace) -> int:
    import asyncio

    from llm_router.errors import RouterError
    from llm_router.home import Home
    from llm_router.supervisor import daemon

    home = Home(options.home.absolute())
    reported = False

    def report(error: dict[str, object] | None = None) -> None:
        nonlocal reported
        if options.report_fd >= 0 and not reported:
            os.write(options.report_fd, (json.dumps({"ok": error is None, "error": error}) + "\n").encode())
            os.close(options.report_fd)
        reported = True

    try:
        home.create()
        daemon.lock(home)
        os.chdir(home.root)
        asyncio.run(daemon.serve(home, daemon.Options(autostart=not options.idle), dict(os.environ), report))
    except RouterError as error:
        report(error.as_json())
        sys.stderr.write(f"error: {error.message}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
