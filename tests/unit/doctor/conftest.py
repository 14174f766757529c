"""A healthy home for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.patient import Patient, treated


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """Set up and compiled; nothing runs."""
    with treated(tmp_path) as held:
        yield held
