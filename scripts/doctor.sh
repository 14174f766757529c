#!/bin/sh
# What is wrong, why, and what to run. Takes what `router doctor` takes; exit 0 when there is nothing to mend.
set -u
cd "$(dirname "$0")/.."
ROUTER_HOME="${ROUTER_HOME:-$PWD/.router}"
export ROUTER_HOME
router=.venv/bin/router
if [ ! -x "$router" ]; then
    printf 'error: llm-router is not installed here\nhint: ./scripts/quickstart.sh\n' >&2
    exit 1
fi
exec "$router" doctor "$@"
