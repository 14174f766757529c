"""Which proxy a connection takes."""

import pytest

from llm_router.gateway.http_proxies import Proxies, Proxy, proxy_from, takes_no_proxy
from llm_router.gateway.http_request import target_of
from llm_router.gateway.upstream_failure import UpstreamFailure


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("proxy.example:3128/", Proxy("proxy.example", 3128)),
        ("http://proxy.example", Proxy("proxy.example", 80)),
        ("http://me:p%40ss@[::1]:8", Proxy("::1", 8, "Basic bWU6cEBzcw==")),
        ("http://me@proxy.example", Proxy("proxy.example", 80, "Basic bWU6")),
    ],
)
def test_proxy(url: str, proxy: Proxy):
    """An address as people write it; its password never shows."""
    assert proxy == proxy_from(url)
    assert "Basic" not in repr(proxy_from(url))


@pytest.mark.parametrize("url", ["socks5://a:1", "https://a:1", "http://", "http://a:port", "http://a:99999"])
def test_proxy_that_cannot_be_used(url: str):
    """It is said, without the address, which may hold a password."""
    with pytest.raises(UpstreamFailure):
        Proxies({"all": url}).proxy_for(target_of("http://api.example"))


@pytest.mark.parametrize(
    ("found", "url", "host"),
    [
        ({}, "https://api.example", None),
        ({"http": "http://p"}, "https://api.example", None),
        ({"https": "http://p"}, "https://api.example", "p"),
        ({"all": "http://p"}, "https://api.example", "p"),
        ({"all": "http://p", "https": "http://q"}, "https://api.example", "q"),
        ({"all": "http://p", "no": "other.example"}, "https://api.example", "p"),
        ({"all": "http://p", "no": "other.example, .example"}, "https://api.example", None),
        ({"all": "http://p"}, "http://127.0.0.1:8", None),
        ({"all": "http://p"}, "http://[::1]:8", None),
        ({"all": "http://p"}, "http://localhost", None),
    ],
)
def test_choice(found: dict[str, str], url: str, host: str | None):
    """By scheme, then `all`; never for this machine, nor for what `no_proxy` lists."""
    proxy = Proxies(found).proxy_for(target_of(url))
    assert host == (proxy.host if proxy else None)


@pytest.mark.parametrize(
    ("listed", "host", "spared"),
    [
        ("*", "api.example", True),
        ("api.example", "api.example", True),
        ("API.Example", "api.example", True),
        ("example", "api.example", True),
        (".example", "api.example", True),
        ("*.example", "api.example", True),
        ("ample", "api.example", False),
        ("api.example:443", "api.example", True),
        ("api.example:444", "api.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("2001:db8::/32", "2001:db8::5", True),
        ("[2001:db8::5]:443", "2001:db8::5", True),
        ("", "api.example", False),
        (" , ,", "api.example", False),
    ],
)
def test_no_proxy(listed: str, host: str, spared: bool):
    """Names with all below them, addresses, networks, ports."""
    assert spared is takes_no_proxy(host, 443, listed)


def test_nothing_named():
    """An environment without proxies costs a call nothing."""
    assert (
        Proxies({}).is_empty, Proxies({"no": "a"}).is_empty, Proxies({"all": "http://p"}).is_empty,
    ) == (True, True, False)  # fmt: skip
