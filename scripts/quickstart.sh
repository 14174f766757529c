#!/bin/sh
# From a fresh clone to an answered request through both lanes. A second run changes nothing and asks again.
set -eu
cd "$(dirname "$0")/.."
trap 'printf "\ninterrupted: run it again, it goes on where it was\n" >&2; exit 130' INT

ROUTER_HOME="${ROUTER_HOME:-$PWD/.router}"
export ROUTER_HOME
say() { printf '%s\n' "$*" >&2; }

./scripts/prepare.sh --inexact --no-default-groups
if [ -z "${UV_CACHE_DIR:-}" ] && [ -d .tools/uv-cache ]; then
    UV_CACHE_DIR="$PWD/.tools/uv-cache"
    export UV_CACHE_DIR
fi
router=.venv/bin/router

"$router" bootstrap
"$router" up
for lane in direct translated; do
    "$router" chat --lane "$lane" hello
done

say ""
say "Point a client at it:   .venv/bin/router client env     (prints OPENAI_BASE_URL, ANTHROPIC_BASE_URL, keys by name)"
say "What runs:              .venv/bin/router status"
say "Stop everything:        .venv/bin/router down"
say "A real account:         see README.md; the configuration is $ROUTER_HOME/router.yaml"
