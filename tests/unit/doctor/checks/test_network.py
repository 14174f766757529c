"""Proxies, certificates and names, without a network."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_router.doctor.checks import network_dns, network_proxy, network_tls


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://user:secret-word@proxy:3128"}, None),
        ({"https_proxy": "proxy:3128", "HTTPS_PROXY": "proxy:3128"}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"ALL_PROXY": "socks5://proxy:1"}, None),
        ({"HTTP_PROXY": "http://a", "http_proxy": "http://a/"}, None),
        ({"https_proxy": "socks5://proxy:1"}, "https_proxy is a proxy of the kind `socks5`; only `http` can be used"),
        ({"http_proxy": "http://"}, "http_proxy is not an address"),
        ({"HTTP_PROXY": "http://secret-word@h:port"}, "HTTP_PROXY is not an address"),
        ({"HTTP_PROXY": "http://a", "http_proxy": "http://b"}, "HTTP_PROXY and http_proxy name different proxies"),
    ],
)
def test_proxies(patient, variables, cause):
    """Set and unusable; a value, which may hold a password, is never repeated."""
    patient.environ |= variables
    found = network_proxy.examine(patient.context())

    assert (found.cause if found else None) == cause
    assert "secret-word" not in str(found)


def test_certificates(patient, tmp_path: Path):
    """A file without a certificate, no file, no folder; a folder that is there is taken as it is."""
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")

    def cause(**variables: str) -> str:
        patient.environ |= variables
        found = network_tls.examine(patient.context())
        for name in variables:
            del patient.environ[name]
        return found.cause if found else ""

    assert cause() == ""
    assert cause(SSL_CERT_DIR=str(tmp_path)) == ""
    assert cause(SSL_CERT_FILE=str(junk)) == f"SSL_CERT_FILE names `{junk}`, which holds no certificate"
    assert cause(SSL_CERT_FILE="/nowhere.pem") == "SSL_CERT_FILE names `/nowhere.pem`, which cannot be read"
    assert cause(SSL_CERT_DIR="/nowhere:/nor/here") == "SSL_CERT_DIR names `/nowhere:/nor/here`, which is no folder"


@pytest.mark.parametrize(
    ("address", "text", "ill"),
    [
        ("https://api.example.com/v1", "nameserver 127.0.0.53\n", False),
        ("https://api.example.com/v1", "# nameserver 127.0.0.53\nnameserver\n", True),
        ("http://192.0.2.1/v1", "", False),
        ("http://localhost:1/v1", "", False),
    ],
)
def test_names(patient, tmp_path: Path, address: str, text: str, ill: bool):
    """The resolver's file matters to who needs names."""
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(text)
    patient.machine = replace(patient.machine, resolver=resolver)
    patient.configure({"providers": {"sandbox": {"kind": "sandbox"}, "o": {"kind": "openai", "base_url": address}}})

    found = network_dns.examine(patient.context())

    assert (found.cause if found else "") == (f"`{resolver}` names no name server" if ill else "")
