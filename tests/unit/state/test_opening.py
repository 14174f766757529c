"""From the configured address to a store."""

import ssl
import subprocess
import sys

import pytest

from llm_router.home import Home
from llm_router.routing.shared_state import SharedState
from llm_router.secrets.store import SecretUnavailable
from llm_router.state.memory import MemoryStore
from llm_router.state.opening import make_store


def test_memory(tmp_path):
    """The default is one gateway's own."""
    assert isinstance(make_store(SharedState(), home=Home(tmp_path), environ={}), MemoryStore)


async def test_redis_with_a_password_by_reference(tmp_path):
    """The password goes to the connection and nowhere else."""
    settings = SharedState("redis://someone@127.0.0.1:1/3", "env:REDIS_PASSWORD", "mine")

    store = make_store(settings, home=Home(tmp_path), environ={"REDIS_PASSWORD": "canary"})

    options = store._client.connection_pool.connection_kwargs
    assert (options["password"], options["username"], options["db"]) == ("canary", "someone", 3)
    assert store._prefix == "mine:"
    await store.close()


async def test_redis_over_tls(tmp_path):
    """`rediss://` verifies the server's certificate."""
    store = make_store(SharedState("rediss://127.0.0.1:1"), home=Home(tmp_path), environ={})

    pool = store._client.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)
    assert connection.ssl_context.cert_reqs == ssl.CERT_REQUIRED
    assert connection.ssl_context.check_hostname
    await store.close()


def test_a_password_that_is_not_there(tmp_path):
    """An error that names the reference, before anything connects."""
    with pytest.raises(SecretUnavailable, match="REDIS_PASSWORD"):
        make_store(SharedState("redis://127.0.0.1", "env:REDIS_PASSWORD"), home=Home(tmp_path), environ={})


def test_memory_does_not_load_redis():
    """It takes a third of a second, which a gateway that starts does not have."""
    script = (
        "import sys; import llm_router.state.opening, llm_router.state.memory; "
        "sys.exit(bool({'redis', 'limits', 'pydantic'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
