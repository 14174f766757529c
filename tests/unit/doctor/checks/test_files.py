"""Ledger, shell, clients and what was left behind."""

import json
import os
import time

from llm_router.doctor.checks import (
    agents_claude,
    agents_codex,
    ledger_damaged,
    ledger_large,
    runtime_stale,
    runtime_strays,
    shell_completion,
)
from llm_router.doctor.supervisor_lock import taken
from llm_router.home import write_private


def test_a_large_ledger(patient):
    """Four gigabytes that take no room here."""
    assert ledger_large.examine(patient.context()) is None
    os.truncate(patient.home.ledger, 5 * 1024**3)
    found = ledger_large.examine(patient.context())

    assert found is not None
    assert found.cause.endswith("has 5.4 GB")


def test_a_damaged_ledger_is_moved_aside(patient):
    """Its bytes stay."""
    patient.home.ledger.write_bytes(b"x" * 5000)
    assert ledger_damaged.examine(patient.context()) is not None
    said = ledger_damaged.mend(patient.context())

    (aside,) = patient.home.root.glob("ledger.sqlite.damaged-*")
    assert said == f"moved the damaged ledger to `{aside.name}`"
    assert aside.read_bytes() == b"x" * 5000
    assert ledger_damaged.examine(patient.context()) is None


def test_stale_files_of_a_living_supervisor(patient):
    """Its lock says that it lives: nothing is stale, nothing is removed."""
    write_private(patient.home.supervisor_identity, b'{"pid": 4711}')
    patient.home.supervisor_lock.touch(mode=0o600)
    with taken(patient.home.supervisor_lock):
        assert runtime_stale.examine(patient.context()) is None
        assert runtime_stale.mend(patient.context()) == "removed nothing"
    found = runtime_stale.examine(patient.context())
    assert found is not None
    assert found.cause == "the supervisor (pid 4711) is gone and its files are still there"


def test_young_files_may_still_be_written(patient):
    """Only what is older than a minute is a stray."""
    path = patient.home.runtime / ".plan.json.1.new"
    path.touch()
    assert runtime_strays.examine(patient.context()) is None
    os.utime(path, (time.time() - 100,) * 2)
    assert runtime_strays.examine(patient.context()) is not None
    assert runtime_strays.mend(patient.context()) == "removed `.plan.json.1.new`"
    assert not path.exists()


def test_completion(patient):
    """Installed and not named in the start file; who has none is left in peace."""
    patient.environ["SHELL"] = "/bin/bash"
    assert shell_completion.examine(patient.context()) is None
    script = patient.folder / ".bash_completions" / "router.sh"
    script.parent.mkdir()
    script.touch()
    assert shell_completion.examine(patient.context()) is not None
    (patient.folder / ".bashrc").write_text(f"source '{script}'\n")
    assert shell_completion.examine(patient.context()) is None


def test_agents(patient):
    """Our own door is right, another vendor's is none of our business, a broken file is told."""
    codex, claude = patient.folder / ".codex" / "config.toml", patient.folder / ".claude" / "settings.json"
    codex.parent.mkdir()
    claude.parent.mkdir()
    own = f"http://127.0.0.1:{patient.ports[0]}"
    for address, right in ((f"{own}/v1", True), ("https://api.example.com", True), ("http://127.0.0.1:9/v1", False)):
        codex.write_text(f'model_provider = "a"\n[model_providers.a]\nbase_url = "{address}"\n')
        claude.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": address}}))
        assert (agents_codex.examine(patient.context()) is None) is right
        assert (agents_claude.examine(patient.context()) is None) is right

    codex.write_text("= broken")
    claude.write_text("{")
    assert agents_codex.examine(patient.context()) is not None
    assert agents_claude.examine(patient.context()) is not None
