"""The command line before any command runs: what is not there, and what each --help leaves out."""

import pytest
from typer.testing import CliRunner

from llm_router.cli.commands_table import COMMANDS
from llm_router.cli.main import app, execute


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("staus", "`status`"),
        ("start", "`up`"),
        ("stop", "`down`"),
        ("restart", "`service restart`"),
        ("help", "`--help`"),
    ],
)
def test_not_a_command(capsys, typed: str, meant: str):
    """What was meant: by what other programs call it, else by its spelling."""
    assert execute([typed]) == 2
    assert capsys.readouterr().err == (
        f"error: there is no command `{typed}`; did you mean {meant}?\n\nhint: `router --help` shows what it takes\n"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str):
    """Every command has a help text with an example; completion is offered by `router --help` alone."""
    shown = CliRunner().invoke(app, [name, "--help"])

    assert shown.exit_code == 0
    assert ("Example" in shown.output, "--install-completion" in shown.output) == (True, False)
