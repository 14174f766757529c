"""One gateway process for all tests of this folder; each test puts its own plan in force."""

from collections.abc import Iterator

import pytest
from support.stage import Stage, staged_gateway


@pytest.fixture(scope="package")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged_gateway(tmp_path_factory.mktemp("gateway")) as stage:
        yield stage


@pytest.fixture
def stage(process: Stage) -> Iterator[Stage]:
    """The gateway, and at the end the proof that it is alive and holds nothing."""
    yield process
    process.configure({})
    process.is_idle()
    process.forgive()
