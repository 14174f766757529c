#!/bin/sh
# Is everything there, and is what runs well? Exit 0 when both answers are yes.
set -u
cd "$(dirname "$0")/.."
ROUTER_HOME="${ROUTER_HOME:-$PWD/.router}"
export ROUTER_HOME
router=.venv/bin/router
if [ ! -x "$router" ]; then
    printf 'error: llm-router is not installed here\nhint: ./scripts/quickstart.sh\n' >&2
    exit 1
fi
status=0
"$router" bootstrap --check || status=1
"$router" config validate || status=1
"$router" health || status=1
exit "$status"
