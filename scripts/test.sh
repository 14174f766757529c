#!/bin/sh
# The test suite.
#   ./scripts/test.sh             everything: lint, types, import rules, all tests
#   ./scripts/test.sh unit        the fast part: lint, types, import rules, unit tests (under 30 s)
#   ./scripts/test.sh ARGS…       pytest with these arguments, nothing else
# What a test needs beyond Python is named in the reason of its skip; with LLM_ROUTER_CI=1 a skip is a failure.
set -eu
cd "$(dirname "$0")/.."
trap 'exit 130' INT

./scripts/prepare.sh --group dev
bin=.venv/bin

# The suite is judged by what it is given, not by what the caller's shell happens to hold.
unset ROUTER_HOME ROUTER_CONFIG ROUTER_PROFILE ROUTER_GATEWAY_HOST ROUTER_GATEWAY_PORT
unset ROUTER_LITELLM_ENABLED ROUTER_LITELLM_PORT PYTHONPATH VIRTUAL_ENV

static() {
    sources=src
    for folder in tests scripts benchmarks; do [ ! -d "$folder" ] || sources="$sources $folder"; done
    # shellcheck disable=SC2086 # a list of folders
    "$bin/ruff" check --quiet $sources
    # shellcheck disable=SC2086
    "$bin/ruff" format --quiet --check $sources
    "$bin/mypy"
    "$bin/lint-imports" --no-cache | tail -n 3
}

case "${1:-}" in
"")
    static
    "$bin/pytest" -m "not alone" --numprocesses 2 --dist loadfile
    exec "$bin/pytest" -m alone
    ;;
unit)
    shift
    static
    exec "$bin/pytest" tests/unit --numprocesses 2 "$@"
    ;;
*)
    exec "$bin/pytest" "$@"
    ;;
esac
