"""Whether there are certificates to trust."""

import ssl
from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """SSL_CERT_FILE and SSL_CERT_DIR as they are set, else what OpenSSL was built to look at."""
    found = [line for line in (_file(context), _folder(context)) if line] or _nothing_to_trust(context)
    if not found:
        return None
    variable = found[0].split()[0]
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "No certificate is trusted",
        found[0],
        evidence=shown(found),
        fix=f"unset {variable}" if variable.startswith("SSL_") else "install the package `ca-certificates`",
        unharmed="Accounts at `http://` addresses on this machine are reached",
    )


def _file(context: Context) -> str:
    named = context.environ.get("SSL_CERT_FILE", "")
    if not named:
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=named)
    except ssl.SSLError:
        return f"SSL_CERT_FILE names `{named}`, which holds no certificate"
    except OSError:
        return f"SSL_CERT_FILE names `{named}`, which cannot be read"
    return ""


def _folder(context: Context) -> str:
    named = context.environ.get("SSL_CERT_DIR", "")
    folders = [Path(part) for part in named.split(":") if part]
    if not named or any(folder.is_dir() for folder in folders):
        return ""
    return f"SSL_CERT_DIR names `{named}`, which is no folder"


def _nothing_to_trust(context: Context) -> list[str]:
    if context.environ.get("SSL_CERT_FILE") or context.environ.get("SSL_CERT_DIR"):
        return []
    paths = ssl.get_default_verify_paths()
    if any(place and Path(place).exists() for place in (paths.openssl_cafile, paths.openssl_capath)):
        return []
    return [f"`{paths.openssl_cafile}` does not exist, and no variable names another"]


CHECK = Check("network.tls", "certificates that are trusted", examine)
