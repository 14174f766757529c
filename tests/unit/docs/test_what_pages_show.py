"""What the README and the docs tell people to write and to run is there."""

import re
from pathlib import Path

import pytest

from llm_router.cli.commands_table import COMMANDS
from llm_router.config.load import load
from llm_router.control.activation import compiled

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *(path for path in (ROOT / "docs").glob("*.md"))]
CONFIGURATION = re.compile(r"```yaml\n((?:config_version|providers).*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:^|[`\"(])(?:\.venv/bin/)?router ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_configurations(page: str, tmp_path: Path):
    """A shown configuration is valid in every profile, as it stands or with its version on top."""
    shown = CONFIGURATION.findall((ROOT / page).read_text())
    assert shown
    for text in shown:
        path = tmp_path / "router.yaml"
        path.write_text(text if "config_version" in text else f"config_version: 3\n{text}")
        found = load(path, environ={})
        for profile in found.settings.profiles:
            assert compiled(found.settings, profile)[0].candidates("claude-x")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands(page: Path):
    """Every `router COMMAND` in code is a command."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), flags=re.DOTALL))

    assert set(COMMAND.findall(code)) <= set(COMMANDS)
