"""`router secret`, as a person types it: the key comes from stdin and is never shown."""

import io
import json
import stat
import sys

import pytest

from llm_router.cli.main import execute
from llm_router.home import Home
from llm_router.secrets.sealing import MasterKey

CANARY = "canary-9d2e"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".router")


@pytest.fixture
def router(home, capsys, monkeypatch):
    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = execute(["--home", str(home.root), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_set_list_remove(router, home):
    """Stdout has the reference to write; the key is in a private file and nowhere else."""
    assert router("secret", "set", "openai", "--plain", stdin=f"{CANARY}\n") == (
        0,
        "file:keys/openai.key\n",
        "Stored `openai`; name it in router.yaml as:\n",
    )
    path = home.keys / "openai.key"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (f"{CANARY}\n", 0o600)
    assert router("secret", "set", "openai", "--plain", stdin=CANARY)[2].startswith("Replaced `openai`")
    assert router("secret", "list") == (0, "file:keys/openai.key\n", "")
    assert json.loads(router("secret", "list", "--json")[1]) == {
        "schema": 1,
        "secrets": [{"name": "openai", "reference": "file:keys/openai.key"}],
    }
    assert router("secret", "remove", "openai") == (0, "", "Removed `openai`\n")
    assert router("secret", "list") == (0, "", "")


def test_never_an_argument(router, home):
    """A key on the command line is refused, not stored."""
    code, out, err = router("secret", "set", "openai", CANARY)

    assert (code, out) == (2, "")
    assert err == (
        "error: A key is never an argument: other processes and the shell's history can read it\n"
        "  Nothing was stored\n\n"
        "hint: Run `router secret set openai` and give the key when asked, or through stdin\n"
    )
    assert not home.keys.exists()


@pytest.mark.parametrize(
    ("name", "stdin", "message"),
    [
        ("openai", "", "error: The key is empty"),
        ("openai", "a\nb\n", "error: The key must be one line of text"),
        ("../x", CANARY, "error: A key's name is made of a-z, 0-9, `-` and `_`"),
    ],
)
def test_refused(router, home, name, stdin, message):
    """Exit 2, nothing stored, nothing shown."""
    code, out, err = router("secret", "set", name, stdin=stdin)

    assert (code, out, err.splitlines()[0]) == (2, "", message)
    assert CANARY not in err
    assert not home.keys.exists()


def test_remove_unknown(router):
    """Exit 2 and the names that exist."""
    code, _, err = router("secret", "remove", "openai")

    assert (code, err) == (2, "error: There is no stored key `openai`; known: none\n")


def test_sealed_by_default(router, home, monkeypatch):
    """With a master key the key is encrypted; stdout has the reference; rotation wants a new key from outside."""
    monkeypatch.setenv("LLM_ROUTER_MASTER_KEY", MasterKey.make().text.reveal())

    assert router("secret", "set", "openai", stdin=f"{CANARY}\n") == (
        0,
        "sealed:openai\n",
        "Stored `openai`; name it in router.yaml as:\n",
    )
    assert CANARY.encode() not in (home.sealed / "openai.sealed").read_bytes()
    assert router("secret", "rotate-key")[0] == 1
    router("secret", "set", "openai", "--plain", stdin=CANARY)
    assert (
        "`keys/openai.key` still holds a key that is not encrypted" in router("secret", "set", "openai", stdin="x")[2]
    )
    assert router("secret", "list")[1] == "file:keys/openai.key\nsealed:openai\n"
    assert router("secret", "remove", "openai") == (0, "", "Removed `openai`\n")
    assert router("secret", "list") == (0, "", "")
