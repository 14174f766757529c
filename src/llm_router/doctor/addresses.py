"""Addresses that clients are set to."""

import ipaddress
from urllib.parse import urlsplit

from llm_router.doctor.context import Context
from llm_router.doctor.doors import wanted


def elsewhere(context: Context, address: str) -> bool:
    """Whether a client's address is on this machine and none of this router's doors."""
    try:
        split = urlsplit(address)
        port = split.port or (443 if split.scheme == "https" else 80)
    except ValueError:
        return True
    if not address or not _is_loopback(split.hostname or ""):
        return False
    doors = [door for _, _, door in wanted(context)]
    return bool(doors) and port not in doors


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_login(address: str) -> str:
    """The address as it may be shown: a password in it is not."""
    before, at, after = address.rpartition("@")
    return f"{before.partition('://')[0]}://***@{after}" if at and "://" in before else after
