"""`router profile`, as a person types it: exit code, stdout and stderr."""

import json

import pytest

from llm_router.cli.main import execute
from llm_router.home import Home

TEXT = """config_version: 3
profiles:
  night: {retries: 9, description: Nobody waits}
"""


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.root.mkdir(mode=0o700)
    made.config.write_text(TEXT)
    return made


@pytest.fixture
def router(home, capsys, monkeypatch):
    for name in ("ROUTER_PROFILE", "ROUTER_CONFIG", "ROUTER_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        code = execute(["--home", str(home.root), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_list(router):
    """Sorted names, one a line."""
    assert router("profile", "list") == (0, "balanced\ncost\nnight\nreliability\n", "")


def test_list_as_json(router):
    """With descriptions and the current one."""
    code, out, err = router("profile", "list", "--json")

    assert (code, err) == (0, "")
    body = json.loads(out)
    assert body["schema"] == 1
    assert [row["name"] for row in body["profiles"] if row["current"]] == ["balanced"]
    assert {"name": "night", "description": "Nobody waits", "current": False} in body["profiles"]


def test_set_show_current(router, home):
    """`set` writes and says what is in force; `current` and `show` agree."""
    assert router("profile", "current") == (0, "balanced\n", "")

    assert router("profile", "set", "night") == (
        0,
        f"profile=night\nactive_config={home.translator_config}\nstate_file={home.state}\n"
        "generation=1\napplied=no (nothing runs)\n",
        "",
    )

    assert router("profile", "current") == (0, "night\n", "")
    code, out, _ = router("profile", "show", "--json")
    assert (code, json.loads(out)["profile"], json.loads(out)["retries"]) == (0, "night", 9)
    assert router("profile", "show")[1].startswith("profile: night\ndescription: Nobody waits\nretries: 9\n")
    code, out, _ = router("profile", "current", "--json")
    assert {key: json.loads(out)[key] for key in ("profile", "generation")} == {"profile": "night", "generation": 1}


def test_set_unknown(router, home):
    """Exit 2, the names that exist nearest first, and nothing written."""
    assert router("profile", "set", "nigth") == (
        2,
        "",
        "error: There is no profile `nigth`; known: night, balanced, cost, reliability\n\n"
        "hint: Did you mean `night`?\n",
    )
    assert not home.runtime.exists()


def test_diff(router):
    """One argument is compared to the current profile, two to each other."""
    wanted = "cooldown: 30.0 -> 60.0\nfailures_until_degraded: 3 -> 2\nretries: 2 -> 3\n"

    assert router("profile", "diff", "reliability") == (0, wanted, "")
    assert router("profile", "diff", "balanced", "reliability") == (0, wanted, "")
    assert json.loads(router("profile", "diff", "balanced", "reliability", "--json")[1]) == {
        "schema": 1,
        "before": "balanced",
        "after": "reliability",
        "differences": [
            {"key": "cooldown", "before": "30.0", "after": "60.0"},
            {"key": "failures_until_degraded", "before": "3", "after": "2"},
            {"key": "retries", "before": "2", "after": "3"},
        ],
    }


def test_a_broken_configuration_changes_nothing(router, home):
    """What was compiled stays as it is."""
    router("profile", "set", "night")
    before = home.plan.read_bytes()
    home.config.write_text("config_version: 3\ngatewya: {}\n")

    assert router("profile", "set", "cost") == (
        2,
        "",
        f"error: {home.config}:2: gatewya: there is no such key; did you mean `gateway`?\n"
        "  Nothing was written, and what runs keeps running\n\n"
        "hint: `router config validate` checks the file again\n",
    )
    assert home.plan.read_bytes() == before
    assert router("profile", "current") == (0, "night\n", "")


def test_without_a_configuration(router, home):
    """Exit 2 and the way to get one."""
    home.config.unlink()

    code, out, err = router("profile", "list", "--json")

    assert (code, err) == (2, "")
    assert json.loads(out)["error"]["code"] == "config.missing"
    assert "Run `router bootstrap` to have one written" in json.loads(out)["error"]["hints"]


@pytest.mark.parametrize("command", ["list", "show", "current", "set", "diff"])
def test_help_has_an_example(router, command):
    """Every command's help ends with a line to try."""
    code, out, _ = router("profile", command, "--help")

    assert code == 0
    assert "Example: `router profile" in out
