"""A configuration is replaced as a whole, and what stood there is kept."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_router.config.edit import migrate_file, replace_file
from llm_router.config.load import load
from llm_router.home import HomeError

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_replace(tmp_path):
    """Each replacement keeps its own backup, private like the file."""
    path = tmp_path / "deep" / "router.yaml"

    backups = [replace_file(path, text, now=NOW) for text in ("one", "two", "three")]

    assert backups == [
        None,
        path.with_name("router.yaml.20260102T030405Z.bak"),
        path.with_name("router.yaml.20260102T030405Z.1.bak"),
    ]
    assert [held.read_text() for held in (path, *backups[1:])] == ["three", "one", "two"]
    assert {stat.S_IMODE(held.stat().st_mode) for held in path.parent.iterdir()} == {0o600}


def test_replace_where_nothing_can_be_written(tmp_path):
    """A folder that is none is an error in one sentence."""
    (tmp_path / "file").touch()

    with pytest.raises(HomeError, match="cannot be written: not a directory"):
        replace_file(tmp_path / "file" / "router.yaml", "text")


def test_migrate_in_place(tmp_path):
    """An older file under the new name is kept as a backup; a second run has nothing to do."""
    path = tmp_path / "router.yaml"
    before = (EXAMPLES / "routertool.yaml").read_text()
    path.write_text(before)

    said = migrate_file(load(path, environ={}), path)

    (backup,) = tmp_path.glob("*.bak")
    assert said == [f"config={path}", f"backup={backup}"]
    assert backup.read_text() == before
    assert migrate_file(load(path, environ={}), path) == [f"{path}: is version 3 already"]


def test_migrate_elsewhere(tmp_path):
    """An older file under its own name stays, and is the backup."""
    older, path = EXAMPLES / "routertool.yaml", tmp_path / "router.yaml"

    assert migrate_file(load(older, environ={}), path) == [f"config={path}", f"backup={older}"]
    assert load(path, environ={}).settings == load(older, environ={}).settings


def test_overrides_are_not_written(tmp_path):
    """What the environment decides today does not enter the file."""
    path = tmp_path / "router.yaml"
    migrate_file(load(EXAMPLES / "routertool.yaml", environ={"ROUTER_GATEWAY_PORT": "9999"}), path)

    assert load(path, environ={}).settings.gateway.port == 8318


def test_only_print(tmp_path):
    """The text is shown and nothing is written."""
    lines = migrate_file(load(EXAMPLES / "routertool.yaml", environ={}), tmp_path / "router.yaml", only_print=True)

    assert lines[2] == "config_version: 3"
    assert list(tmp_path.iterdir()) == []
