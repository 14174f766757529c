"""Owners, modes, and what cannot be written."""

import os
import resource

import pytest

from llm_router.doctor.checks import home_modes, home_owner, home_unwritable, machine_files
from llm_router.doctor.finding import Severity


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_another_owner(patient):
    """Named, with the command that takes it back."""
    assert home_owner.examine(patient.context()) is None
    os.chown(patient.home.config, 65534, 65534)
    found = home_owner.examine(patient.context())

    assert found is not None
    assert found.evidence == (str(patient.home.config),)
    assert found.fix == f"sudo chown -R $(id -u) {patient.home.root}"


def test_modes(patient):
    """Keys are an error, the rest a warning; all of it is mended. What its owner closed further stays so."""
    patient.home.config.chmod(0o400)
    assert home_modes.examine(patient.context()) is None
    patient.home.logs.chmod(0o755)
    found = home_modes.examine(patient.context())
    assert found is not None
    assert (found.severity, found.cause) == (
        Severity.WARNING,
        f"`{patient.home.logs}` has mode 755 and should have 700",
    )

    patient.home.local_key.chmod(0o640)
    found = home_modes.examine(patient.context())
    assert found is not None
    assert (found.severity, len(found.evidence)) == (Severity.ERROR, 2)

    assert home_modes.mend(patient.context()) == "set the mode of `logs`, `local.key`"
    assert home_modes.examine(patient.context()) is None


def test_unwritable(patient):
    """A limit on files' sizes is as good as a full disk; nothing of the probe stays."""
    assert home_unwritable.examine(patient.context()) is None
    before = sorted(patient.home.runtime.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        found = home_unwritable.examine(patient.context())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert found is not None
    assert found.cause == f"`{patient.home.runtime}` cannot be written: file too large"
    assert sorted(patient.home.runtime.iterdir()) == before


def test_few_files(patient):
    """Below 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert machine_files.examine(patient.context()) is None
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        found = machine_files.examine(patient.context())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert found is not None
    assert found.cause == "A process may open 200 files, and each request needs two"
