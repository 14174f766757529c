"""One router with LiteLLM for every client test, in a network with nothing else in it where the machine allows that."""

from collections.abc import Callable, Iterator

import pytest
from support.lab import UPSTREAM_KEY, Lab, configuration
from support.namespace import Network, empty_network
from support.product import Product, free_ports
from support.translator import give

from llm_router.home import Home


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A router that is up, with six upstreams behind it."""
    port, translator_port, sandbox_port, mock_port = free_ports(4)
    with empty_network() as network:
        product = Product(
            folder=tmp_path_factory.mktemp("lab"),
            port=port,
            translator_port=translator_port,
            prefix=network.prefix,
            environment={"LAB_UPSTREAM_KEY": UPSTREAM_KEY},
        )
        product.configure(configuration(sandbox_port, mock_port))
        # Packages come from the machine's own network; everything that runs, runs in the empty one.
        give(Home(product.home))
        Product(product.folder, port, translator_port, environment=product.environment).run("bootstrap")
        try:
            product.run("up")
            yield Lab(product, network, f"http://127.0.0.1:{mock_port}")
        finally:
            product.take_down()


@pytest.fixture
def in_network(lab: Lab, record_property: Callable[[str, object], None]) -> Network:
    """The network that the test's programs run in; the report says whether it is an empty one."""
    record_property("network", lab.network.description)
    print(f"network: {lab.network.description}")  # noqa: T201 - shown by pytest in the test's own report
    return lab.network
