#!/bin/sh
# Writes LiteLLM's locked requirements, with hashes, from uv.lock into the package that ships them.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv
exec "$uv" export --quiet --locked --only-group runtime --no-emit-project --no-annotate --no-header \
    --output-file src/llm_router/translator/requirements.lock
