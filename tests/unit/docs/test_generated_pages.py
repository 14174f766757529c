"""docs/reference says what the code does today."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "generate_reference.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("generate_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_page_is_stale(generator: ModuleType):
    """When this fails: `.venv/bin/python scripts/generate_reference.py`."""
    assert generator.stale() == [], "run `.venv/bin/python scripts/generate_reference.py` and commit docs/reference"


def test_codes_are_told_apart(generator: ModuleType):
    """One code belongs to one class; each says what it means."""
    classes = list(generator.error_classes())
    codes = [kind.code for kind in classes]

    assert sorted(set(codes)) == sorted(codes)
    assert [kind.__name__ for kind in classes if not (kind.__doc__ or "").strip()] == []
