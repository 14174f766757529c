"""Secrets that stand where only references to them belong."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_router.config.document import KeyPath

LITELLM_REFERENCE = "os.environ/"
PLACEHOLDERS = frozenset({"", "none", "null", "empty", "dummy", "no-key", "not-needed", "unused"})

_SECRET_NAME = re.compile(r"(?:^|[_-])(?:api[_-]?key|key|token|secret|password|passwd|credentials?)$", re.IGNORECASE)
_NOT_SECRET = re.compile(r"(?:max|min|num|total)[_-].*", re.IGNORECASE)
# The shapes in which well-known providers give out keys; a text of such a shape is refused wherever it stands.
_SHAPES = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}|gh[opsu]_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}"
    r"|AIza[A-Za-z0-9_-]{30,}|gsk_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,})"
)
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


def literal_secrets(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """The path, message and hint of every secret that stands in the document itself."""
    for path, text in _texts(document, ()):
        if found := _verdict(path, text):
            yield path, *found


def _verdict(path: KeyPath, text: str) -> tuple[str, str] | None:
    name = str(path[-1])
    match path:
        case ("providers", str() as provider, "headers", str()) if name.lower() in _SECRET_HEADERS:
            return "a header that carries a secret does not stand here; name it under `key`", _store(provider)
        case ("providers", str() as provider, "key") if not _is_reference(text):
            return "a key never stands in the configuration itself", _store(provider)
        case ("gateway", "client_keys", int()) if not _is_reference(text):
            return "a key never stands in the configuration itself", _store("client")
        case ("services", str() as service, "environment", str()) if _names_secret(name) and not _is_reference(text):
            return "a key never stands in the configuration itself", _store(service)
        case _ if "litellm" in path and _names_secret(name) and not _is_litellm_reference(text):
            return "a key never stands in the configuration itself", _name_variable(name)
    if _SHAPES.search(text):
        return "this looks like a key, and a key never stands in the configuration itself", _store("NAME")
    return None


def is_placeholder(text: str) -> bool:
    """Whether a key is one of the words that people write for servers that want none."""
    return text.strip().lower() in PLACEHOLDERS


def _names_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.fullmatch(name)


def _is_reference(text: str) -> bool:
    return text.startswith(("env:", "file:", "keyring:", "sealed:")) and not _SHAPES.search(text)


def _is_litellm_reference(text: str) -> bool:
    return text.startswith(LITELLM_REFERENCE)


def _store(name: str) -> str:
    stored = name if name != "NAME" else "NAME"
    return f"Run `router secret set {stored}`, then write the reference that it prints in its place"


def _name_variable(name: str) -> str:
    return f"Write `{LITELLM_REFERENCE}{name.upper()}` in its place, and set that variable where `router up` runs"


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from _texts(held, (*path, str(key)))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _texts(held, (*path, index))
