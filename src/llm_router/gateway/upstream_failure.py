"""What can go wrong between the gateway and an upstream, as one exception with a reason."""

from enum import StrEnum


class Reason(StrEnum):
    """What failed between the gateway and an upstream."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    BROKEN = "broken"
    PROTOCOL = "protocol"


class UpstreamFailure(Exception):
    """The upstream could not be reached, or its answer broke off."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """`detail` is for people: it names no key and no header."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
