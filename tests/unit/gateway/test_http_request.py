"""Addresses and heads of requests."""

import pytest

from llm_router.gateway.http_request import Target, path_with_query, target_of, write_head


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://api.example", Target(("http", "api.example", 80), "api.example", "/")),
        ("https://API.example/v1/", Target(("https", "api.example", 443), "api.example", "/v1/")),
        ("https://api.example:443/v1", Target(("https", "api.example", 443), "api.example", "/v1")),
        ("http://api.example:8080/a%20b", Target(("http", "api.example", 8080), "api.example:8080", "/a%20b")),
        ("http://[::1]:80/", Target(("http", "::1", 80), "[::1]", "/")),
        ("https://[2001:db8::1]:444/x", Target(("https", "2001:db8::1", 444), "[2001:db8::1]:444", "/x")),
    ],
)
def test_address(url: str, target: Target):
    """Scheme, host, port, what the Host header says, and the path."""
    assert target == target_of(url)
    assert (url.startswith("https"), *target.origin[1:]) == (target.is_tls, target.host, target.port)


def test_foreign_letters_in_a_name():
    """A name in other letters goes out in its ASCII form."""
    assert Target(("https", "xn--bcher-kva.example", 443), "xn--bcher-kva.example", "/") == target_of(
        "https://b\xfccher.example"
    )


@pytest.mark.parametrize(
    "url",
    ["", "/v1", "ftp://a/", "http:///v1", "http://a b/", "http://a/\r\nx", "http://a:0x/", "http://a:99999/",
     "http://u:p@a/", "http://[::1", "http://a/\u20ac"],
)  # fmt: skip
def test_address_that_is_none(url: str):
    """Everything else is refused."""
    with pytest.raises(ValueError):
        target_of(url)


def test_query():
    """A query is passed as it is, when a request line can hold it."""
    target = target_of("http://a/v1")
    assert (path_with_query(target, ""), path_with_query(target, "a=%2F&b=\xe9")) == ("/v1", "/v1?a=%2F&b=\xe9")
    for query in ("a b", "a\r\nb", "a\0", "\u20ac"):
        with pytest.raises(ValueError):
            path_with_query(target, query)


@pytest.mark.parametrize(
    ("method", "headers", "length", "head"),
    [
        (
            "POST",
            [("x-b", "1"), ("X-A", "")],
            3,
            b"POST /p HTTP/1.1\r\nHost: h\r\nx-b: 1\r\nX-A: \r\nContent-Length: 3",
        ),
        ("POST", [("Host", "other")], 0, b"POST /p HTTP/1.1\r\nHost: other\r\nContent-Length: 0"),
        ("GET", [], 0, b"GET /p HTTP/1.1\r\nHost: h"),
        ("GET", [("connection", "close")], 2, b"GET /p HTTP/1.1\r\nHost: h\r\nconnection: close\r\nContent-Length: 2"),
        ("GET", [("x-a", "\xe9")], 0, b"GET /p HTTP/1.1\r\nHost: h\r\nx-a: \xe9"),
    ],
)
def test_head(method: str, headers: list[tuple[str, str]], length: int, head: bytes):
    """The head as it goes over the wire, whole."""
    assert head + b"\r\n\r\n" == write_head(method, "/p", "h", headers, length)


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("GET", "x", "a\r\nb: c"),
        ("GET", "x", "a\n"),
        ("GET", "x", "\r"),
        ("GET", "x", "\0"),
        ("GET", "x\n", "a"),
        ("GET", "x:", "a"),
        ("GET", "", "a"),
        ("GET", "Content-Length", "1"),
        ("GET", "TRANSFER-ENCODING", "chunked"),
        ("GET", "host", "a\r\nb: c"),
        ("GET", "x", "\u20ac"),
        ("GET /x HTTP/1.1\r\nb: c\r\n", "x", "a"),
    ],
)
def test_head_that_is_refused(method: str, name: str, value: str):
    """Nothing can end a line early or say another length."""
    with pytest.raises(ValueError):
        write_head(method, "/p", "h", [(name, value)], 0)
