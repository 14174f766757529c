"""The runbook's table of faults is the catalogue's."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "generate_rehearsal.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("generate_rehearsal", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_not_stale(generator: ModuleType):
    """When this fails: `.venv/bin/python scripts/generate_rehearsal.py`."""
    assert not generator.stale(), "run `.venv/bin/python scripts/generate_rehearsal.py` and commit the page"


def test_a_remedy_for_each(generator: ModuleType):
    """What is not mended can be done by hand; no remedy is left over."""
    by_hand = {fault.code for fault in generator.catalogue("faults").FAULTS if not fault.mended}

    assert set(generator.catalogue("remedies").BY_HAND) == by_hand
