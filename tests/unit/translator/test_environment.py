"""What uv is given when it installs LiteLLM."""

from llm_router.translator.environment import uv_environment


def test_uv_gets_its_own_settings_and_no_secret():
    """uv finds its index, cache, proxy and certificates; it sees no key, and nothing that would redirect it."""
    environ = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_ALL": "C",
        "UV_CACHE_DIR": "/cache",
        "UV_INDEX_URL": "https://index.example",
        "UV_PROJECT_ENVIRONMENT": "/elsewhere",
        "UV_PYTHON": "3.9",
        "XDG_CACHE_HOME": "/xdg",
        "https_proxy": "http://proxy.example",
        "SSL_CERT_FILE": "/certs.pem",
        "OPENAI_API_KEY": "secret",
        "VIRTUAL_ENV": "/other",
        "PYTHONPATH": "/evil",
    }

    assert uv_environment(environ) == {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_ALL": "C",
        "UV_CACHE_DIR": "/cache",
        "UV_INDEX_URL": "https://index.example",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CACHE_HOME": "/xdg",
        "https_proxy": "http://proxy.example",
        "SSL_CERT_FILE": "/certs.pem",
    }
