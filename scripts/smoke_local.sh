#!/bin/sh
# Every step of a first day in a home of its own on free ports: PASS or FAIL with its time. Exit 0 when all passed.
set -u
cd "$(dirname "$0")/.."
router="$PWD/.venv/bin/router"
python="$PWD/.venv/bin/python"
if [ ! -x "$router" ]; then
    printf 'error: llm-router is not installed here\nhint: ./scripts/quickstart.sh\n' >&2
    exit 1
fi

folder=$(mktemp -d)
ports=$("$python" -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[each.getsockname()[1] for each in held])')
ROUTER_HOME="$folder/.router"
ROUTER_GATEWAY_PORT=${ports% *}
ROUTER_LITELLM_PORT=${ports#* }
export ROUTER_HOME ROUTER_GATEWAY_PORT ROUTER_LITELLM_PORT
unset ROUTER_CONFIG ROUTER_PROFILE

clean_up() {
    "$router" --quiet down >/dev/null 2>&1
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

milliseconds() { "$python" -c 'import time; print(int(time.monotonic() * 1000))'; }

failed=0
step() {
    name=$1
    shift
    began=$(milliseconds)
    if "$@" >"$folder/output" 2>&1; then verdict=PASS; else verdict=FAIL; fi
    printf '%s  %-28s %6d ms\n' "$verdict" "$name" "$(($(milliseconds) - began))"
    if [ "$verdict" = FAIL ]; then
        failed=1
        sed 's/^/      /' "$folder/output" >&2
    fi
}

# Lists the models with the local key, which never stands on a command line.
list_models() {
    "$python" - <<'PYTHON'
import json
import os
import urllib.request
from pathlib import Path

key = (Path(os.environ["ROUTER_HOME"]) / "keys" / "local.key").read_text().strip()
url = f"http://127.0.0.1:{os.environ['ROUTER_GATEWAY_PORT']}/v1/models"
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
with urllib.request.urlopen(request, timeout=10) as answer:
    names = [model["id"] for model in json.load(answer)["data"]]
assert names, "no model is listed"
print(*names)
PYTHON
}

step "bootstrap" "$router" bootstrap
step "bootstrap again" "$router" bootstrap
step "profile set balanced" "$router" profile set balanced
step "service start" "$router" service start all
step "health" "$router" health --wait 60
step "status" "$router" status
step "GET /v1/models" list_models
step "one request, same format" "$router" chat --lane direct hello
step "one request, translated" "$router" chat --lane translated hello
step "service stop" "$router" service stop all
step "down" "$router" down
exit "$failed"
