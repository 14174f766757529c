"""Which addresses are on this machine and not ours."""

import pytest

from llm_router.doctor.addresses import elsewhere, without_login


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("", False),
        ("https://api.openai.com/v1", False),
        ("http://192.168.0.9:1/v1", False),
        ("http://127.0.0.1:{own}/v1", False),
        ("http://localhost:{own}", False),
        ("http://localhost:9", True),
        ("http://[::1]:9", True),
        ("http://127.0.0.1", True),
        ("http://127.0.0.1:x", True),
    ],
)
def test_elsewhere(patient, address, wanted):
    """Only loopback addresses are judged, by their port."""
    assert elsewhere(patient.context(), address.format(own=patient.ports[0])) is wanted


@pytest.mark.parametrize(
    ("address", "shown"),
    [("http://localhost:9/v1", "http://localhost:9/v1"), ("http://me:secret@localhost:9", "http://***@localhost:9")],
)
def test_without_login(address, shown):
    """A password is not shown."""
    assert without_login(address) == shown
