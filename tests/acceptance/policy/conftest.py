"""One gateway and one sandbox for all scenarios; every test has accounts and keys of its own."""

from collections.abc import Iterator

import pytest
from support.policy import Ground, ground


@pytest.fixture(scope="package")
def gateway_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("policy")) as held:
        yield held


@pytest.fixture
def field(gateway_process: Ground) -> Iterator[Ground]:
    """The gateway with an empty plan; at the end it holds nothing in flight."""
    yield gateway_process
    gateway_process.configure()
    gateway_process.is_idle()
