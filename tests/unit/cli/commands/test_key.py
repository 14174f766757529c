"""`router key`, as a person types it: exit code, stdout and stderr."""

import json

import pytest

from llm_router.cli.main import execute
from llm_router.home import Home
from llm_router.secrets.client_keys import load_client_keys


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.create()
    return made


@pytest.fixture
def router(home, capsys):
    def run(*arguments):
        code = execute(["--home", str(home.root), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_create_prints_the_key_alone_on_stdout(router, home):
    """So that it can be piped into a file; the talk is on stderr."""
    code, out, err = router("key", "create", "laptop", "--preset", "agent", "--rate", "30", "--models", "a*,b")

    assert (code, err) == (0, "Made `laptop`. This is the only time that the key is shown:\n")
    held = load_client_keys(home, (), {}).find(out.removesuffix("\n"))
    assert held is not None
    assert (held.name, held.preset, held.limits.requests_per_minute, held.models) == (
        "laptop",
        "agent",
        30,
        ("a*", "b"),
    )


def test_every_limit_can_be_set(router, home):
    """Zero is a value like any other."""
    options = (
        "--rate 1 --session-tokens 2 --output-cap 3 --messages 4 --session-concurrency 5 --queue 6 --concurrency 0"
    )
    code, out, _ = router("key", "create", "laptop", *options.split(), "--json")

    assert code == 0
    held = load_client_keys(home, (), {}).find(json.loads(out)["key"])
    assert held is not None
    limits = held.as_json()["limits"]
    assert limits == {
        "requests_per_minute": 1,
        "session_tokens": 2,
        "output_cap": 3,
        "messages": 4,
        "session_concurrency": 5,
        "session_queue": 6,
        "concurrency": 0,
    }


def test_an_absurd_limit(router):
    """Exit 2, what may stand there, nothing made."""
    assert router("key", "create", "laptop", "--rate", "-1") == (
        2,
        "",
        "error: `requests_per_minute` must be a whole number from 0 to 1000000, not -1\n"
        "  Nothing was changed\n\nhint: 0 turns a limit off\n",
    )
    assert router("key", "list") == (0, "", "")


def test_list_show_rotate_revoke(router):
    """The life of a key; the key itself is never shown again."""
    key = router("key", "create", "laptop", "--output-cap", "0")[1].strip()

    code, listed, err = router("key", "list")
    assert (code, err) == (0, "")
    assert listed.startswith(f"laptop  app    …{key[-4:]}  ")
    code, shown, err = router("key", "show", "laptop")
    assert (code, err) == (0, "")
    assert "  requests a minute      60\n" in shown
    assert "  tokens of an answer    no limit\n" in shown
    row = json.loads(router("key", "show", "laptop", "--json")[1])["key"]
    assert (row["name"], row["last4"], row["preset"]) == ("laptop", key[-4:], "app")
    assert key not in listed + shown

    code, fresh, err = router("key", "rotate", "laptop", "--grace", "24h")
    assert (code, err) == (0, "Rotated `laptop`. This is the only time that the key is shown:\n")
    assert fresh.strip() != key
    assert router("key", "revoke", "laptop") == (0, "", "Revoked `laptop`\n")
    assert json.loads(router("key", "list", "--json")[1]) == {"schema": 1, "keys": []}


def test_an_unknown_key(router):
    """The nearest name is offered."""
    router("key", "create", "laptop")

    assert router("key", "show", "labtop") == (
        2,
        "",
        "error: There is no client key `labtop`; known: laptop\n\nhint: Did you mean `laptop`?\n",
    )
