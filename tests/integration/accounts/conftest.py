"""A person with a home of their own, and a simulated identity provider."""

import json

import pytest
from support.accounts import Vault
from support.terminal import Terminal

from llm_router.accounts.store import AccountStore
from llm_router.testing.command import PROGRAM, RouterCommand
from llm_router.testing.identity_provider import IdentityProvider


class Person:
    """Runs `router` against the provider, as a command or in a terminal."""

    def __init__(self, folder, provider):
        self.folder, self.provider = folder, provider
        self.vault = Vault(folder, provider.environ())
        self.router = RouterCommand(folder, self.vault.environ)

    def terminal(self, *arguments):
        return Terminal([*PROGRAM, *arguments], self.router.environ, self.folder)

    def store(self) -> AccountStore:
        return self.vault.store()

    def names(self):
        return self.store().names()

    def events(self, name):
        path = self.router.home.events
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line["event"] == name]

    def leaks(self, *more):
        """Files, and other texts, that hold something that the provider gave out."""
        wanted = [secret.encode() for secret in self.provider.issued.secrets]
        wanted.append(self.vault.environ["LLM_ROUTER_MASTER_KEY"].encode())
        files = {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        texts = {**files, **{f"text {number}": text.encode() for number, text in enumerate(more)}}
        return [name for name, content in texts.items() if any(secret in content for secret in wanted)]


@pytest.fixture
def provider():
    with IdentityProvider() as running:
        yield running


@pytest.fixture
def person(tmp_path, provider):
    return Person(tmp_path, provider)
