"""What a child may see of the supervisor's environment: an allow-list, and what the plan names."""

from collections.abc import Iterable, Mapping

ALLOWED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
)
# Where the master key of sealed secrets may be: the gateway opens them, and no other child may.
UNSEALING = ("LLM_ROUTER_MASTER_KEY", "CREDENTIALS_DIRECTORY")
ENV = "env:"


def allowed(environ: Mapping[str, str], extra: Iterable[str] = ()) -> dict[str, str]:
    """The variables that every child gets, and those named in `extra`, as far as they are set."""
    names = {*ALLOWED, *extra, *(name for name in environ if name.startswith("LC_"))}
    return {name: environ[name] for name in sorted(names) if name in environ}


def named_variables(references: Iterable[str]) -> frozenset[str]:
    """The variables that `env:` references name."""
    return frozenset(reference.removeprefix(ENV) for reference in references if reference.startswith(ENV))
