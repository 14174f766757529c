#!/bin/sh
# Makes .venv from uv.lock: a Python that is new enough, the locked uv with its hashes, then everything else by uv.
# Arguments go to `uv sync`. A second run changes nothing and takes about a second.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "error: $1"
    shift
    for hint in "$@"; do say "hint: $hint"; done
    exit 1
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

# Every place a Python may be in: PATH, then pyenv by its variable, its command, its shims on PATH, its usual folder.
candidates() {
    [ -z "${PYTHON:-}" ] || printf '%s\n' "$PYTHON"
    for name in python3.12 python3.13 python3.14 python3 python; do command -v "$name" || true; done
    {
        [ -z "${PYENV_ROOT:-}" ] || printf '%s\n' "$PYENV_ROOT"
        if command -v pyenv >/dev/null 2>&1; then pyenv root 2>/dev/null || true; fi
        for name in python3 pyenv; do
            found=$(command -v "$name" || true)
            case "$found" in */shims/* | */bin/pyenv) dirname "$(dirname "$found")" ;; esac
        done
        [ -z "${HOME:-}" ] || printf '%s\n' "$HOME/.pyenv"
    } | while IFS= read -r root; do
        for minor in 12 13 14; do
            for python in "$root/versions/3.$minor"*/bin/python3; do [ ! -x "$python" ] || printf '%s\n' "$python"; done
        done
    done
}

find_python() {
    candidates | while IFS= read -r python; do
        if new_enough "$python"; then
            "$python" -c 'import sys; print(sys.executable)'
            break
        fi
    done
}

# The requirement line of the uv that uv.lock pins, with the hash of every published file.
locked_uv() {
    "$1" - <<'PYTHON'
import tomllib

with open("uv.lock", "rb") as file:
    packages = tomllib.load(file)["package"]
uv = next(package for package in packages if package["name"] == "uv")
files = [*uv["wheels"], *([uv["sdist"]] if "sdist" in uv else [])]
print(" ".join([f"uv=={uv['version']}", *(f"--hash={file['hash']}" for file in files)]))
PYTHON
}

make_venv() {
    python=$(find_python)
    [ -n "$python" ] || fail "llm-router needs Python 3.12 or newer, and none was found on PATH or under pyenv" \
        "Install one, e.g. \`apt install python3.12 python3.12-venv\`, \`brew install python@3.12\` or \`pyenv install 3.12\`" \
        "Or name one: PYTHON=/path/to/python3.12 $0"
    say "Python    $python"
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        # As `-m venv --clear .venv`, but Ctrl-C ends it without a traceback.
        "$python" -c 'import runpy, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.argv = ["venv", "--clear", ".venv"]
runpy.run_module("venv", run_name="__main__")'
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear --without-pip .venv
    elif command -v uv >/dev/null 2>&1; then
        uv venv --quiet --clear --seed --python "$python" .venv
    else
        fail "$python has neither pip nor ensurepip, so nothing can be installed with it" \
            "On Debian or Ubuntu: \`apt install python3-venv\` (or the one of its version, e.g. python3.12-venv)"
    fi
}

install_uv() {
    wanted=$(locked_uv .venv/bin/python)
    version=${wanted%% *}
    version=${version#uv==}
    if [ -x .venv/bin/uv ] && [ "$(.venv/bin/uv --version 2>/dev/null | cut -d ' ' -f 2)" = "$version" ]; then
        return
    fi
    say "uv        $version, by its hashes"
    printf '%s\n' "$wanted" >.venv/uv-requirement.txt
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        set -- .venv/bin/python -m pip
    else
        python=$(find_python)
        set -- "$python" -m pip --python .venv/bin/python
    fi
    "$@" --disable-pip-version-check install --quiet --no-deps --require-hashes --requirement .venv/uv-requirement.txt ||
        fail "uv $version could not be installed" "Look at what pip says above; it uses your own pip settings"
}

# A HOME that cannot be written to has no place for uv's cache either.
if [ -z "${UV_CACHE_DIR:-}" ] && [ -z "${XDG_CACHE_HOME:-}" ] && { [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; }; then
    UV_CACHE_DIR="$PWD/.tools/uv-cache"
    export UV_CACHE_DIR
fi

new_enough .venv/bin/python && { [ -x .venv/bin/uv ] || .venv/bin/python -m pip --version >/dev/null 2>&1; } || make_venv
install_uv

first=
if [ ! -e .venv/bin/router ]; then
    say "Packages  from uv.lock"
    first=--compile-bytecode
fi
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON="$PWD/.venv/bin/python" \
    .venv/bin/uv sync --quiet --locked $first "$@" ||
    fail "The locked packages could not be installed" "Look at what uv says above, then run $0 again"
