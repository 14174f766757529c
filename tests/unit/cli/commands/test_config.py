"""`router config`, as a person types it: exit code, stdout and stderr."""

import json
from pathlib import Path

import pytest
import yaml

from llm_router.cli.main import execute
from llm_router.home import Home

EXAMPLES = Path(__file__).parents[4] / "config" / "examples"


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.root.mkdir(mode=0o700)
    made.config.write_text("config_version: 3\ngateway:\n  port: 9000\n")
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


def test_show(router):
    """The whole configuration as YAML that is itself a configuration."""
    code, out, err = router("config", "show")

    assert (code, err) == (0, "")
    shown = yaml.safe_load(out)
    assert (shown["config_version"], shown["gateway"]["port"], shown["profile"]) == (3, 9000, "balanced")
    assert json.loads(router("config", "show", "--json")[1])["config"] == shown


def test_what_is_shown_is_a_configuration(router, home):
    """Shown, written and loaded again it means the same."""
    shown = router("config", "show")[1]
    home.config.write_text(shown)

    assert router("config", "show") == (0, shown, "")


def test_validate(router, home):
    """A sound file says so; `--json` has what a program asks for."""
    assert router("config", "validate") == (0, f"{home.config}: valid, 3 profiles\n", "")
    assert json.loads(router("config", "validate", "--json")[1]) == {
        "schema": 1,
        "valid": True,
        "path": str(home.config),
        "profiles": ["balanced", "cost", "reliability"],
        "migrated": False,
        "notices": [],
    }


def test_validate_what_is_wrong(router, home):
    """Every problem with its line; exit 2."""
    home.config.write_text("config_version: 3\ngateway:\n  port: x\nprofile: cots\n")

    assert router("config", "validate") == (
        2,
        "",
        f"error: {home.config}:3: gateway.port: must be a whole number\n"
        "  Nothing was written, and what runs keeps running\n\n"
        "hint: `router config validate` checks the file again\n",
    )
    body = json.loads(router("config", "validate", "--json")[1])
    assert body["error"]["problems"][0]["line"] == 3


def test_validate_goes_down_to_litellm(router, home):
    """What LiteLLM must not be given is refused here as well."""
    home.config.write_text("config_version: 3\nlitellm: {base: {litellm_settings: {callbacks: [x]}}}\n")

    code, out, err = router("config", "validate")

    assert (code, out) == (2, "")
    assert "litellm_settings.callbacks" in err


def test_path(router, home):
    """Where it is read from, whether it is there or not."""
    assert router("config", "path") == (0, f"{home.config}\n", "")
    home.config.unlink()
    assert json.loads(router("config", "path", "--json")[1]) == {
        "schema": 1,
        "path": str(home.config),
        "exists": False,
    }


def test_explain(router, home, monkeypatch):
    """Value and origin: file, default, variable, flag."""
    assert router("config", "explain", "gateway.port") == (0, f"gateway.port = 9000  (file: {home.config}:3)\n", "")
    assert router("config", "explain", "gateway.host") == (
        0,
        "gateway.host = 127.0.0.1  (default: ships with llm-router)\n",
        "",
    )
    monkeypatch.setenv("ROUTER_GATEWAY_PORT", "9001")
    assert router("config", "explain", "gateway.port") == (0, "gateway.port = 9001  (env: ROUTER_GATEWAY_PORT)\n", "")
    code, out, _ = router("config", "explain", "gateway.port", "--set", "gateway.port=9002", "--json")
    assert (code, json.loads(out)) == (
        0,
        {
            "schema": 1,
            "settings": [
                {"key": "gateway.port", "value": 9002, "origin": "flag", "place": "--set gateway.port"},
            ],
        },
    )


def test_explain_unknown(router):
    """Exit 2 with the settings that exist, nearest first."""
    code, out, err = router("config", "explain", "gateway.prot")

    assert (code, out) == (2, "")
    assert err.startswith("error: There is no setting `gateway.prot`; known: gateway.port, ")


def test_migrate(router, home, monkeypatch):
    """An older file is read with a warning, written anew with a backup, and silent from then on."""
    for variable in ("ROUTER_UPSTREAM_API_KEY", "CUSTOM_API_KEY"):
        monkeypatch.setenv(variable, "a key")
    home.config.write_bytes((EXAMPLES / "routertool.yaml").read_bytes())
    warning = f"warning: `{home.config}` has config_version 2; `router config migrate` writes it as version 3\n"
    assert router("config", "path") == (0, f"{home.config}\n", "")
    assert router("config", "validate")[2] == warning

    code, out, err = router("config", "migrate")

    assert (code, err.splitlines()[0] + "\n") == (0, warning)
    assert "notice: `paths` is dropped: everything that is generated lives in the `.router/` folder" in err
    config, backup = out.splitlines()
    assert config == f"config={home.config}"
    assert Path(backup.removeprefix("backup=")).read_bytes() == (EXAMPLES / "routertool.yaml").read_bytes()
    assert router("config", "validate") == (0, f"{home.config}: valid, 3 profiles\n", "")
    assert router("config", "migrate") == (0, f"{home.config}: is version 3 already\n", "")


def test_migrate_only_print(router, home):
    """Nothing is written; the text goes to stdout."""
    before = home.config.read_bytes()

    code, out, _ = router("--config", str(EXAMPLES / "routertool-v1.json"), "config", "migrate", "--print")

    assert code == 0
    assert yaml.safe_load(out)["config_version"] == 3
    assert home.config.read_bytes() == before


@pytest.mark.parametrize("command", ["show", "validate", "path", "explain", "migrate"])
def test_help_has_an_example(router, command):
    """Every command's help ends with a line to try."""
    code, out, _ = router("config", command, "--help")

    assert code == 0
    assert "Example: `" in out
