"""What differs between the kinds of accounts: how each refreshes, proves that it works, and ends."""

from functools import cache
from importlib.metadata import version as installed
from typing import Any

from llm_router.accounts.account import Account
from llm_router.accounts.flow import Ask, BadAnswer, Flow, Reply
from llm_router.accounts.flows import chatgpt, codex_pkce, copilot_device
from llm_router.accounts.grants import Granted, GrantRefused
from llm_router.providers.identity import (
    CHATGPT,
    CODEX,
    ChatgptIdentity,
    CodexIdentity,
    CopilotIdentity,
    headers_for,
)
from llm_router.secrets.secret import Secret


@cache
def version() -> str:
    """The version that we present ourselves with."""
    return installed("llm-router")


def refreshing(account: Account) -> Flow[Granted]:
    """The flow that refreshes an account, at the origin that it came from."""
    token = account.tokens.refresh or Secret("")
    if account.kind == CODEX:
        return codex_pkce.refresh(CodexIdentity(account.origin), token)
    if account.kind == CHATGPT:
        return chatgpt.refresh(ChatgptIdentity(account.origin), token, account.client_id)
    return copilot_device.exchange(CopilotIdentity(account.origin), token, version())


def revoking(account: Account) -> Flow[bool] | None:
    """The flow that ends an account at its provider; None where the provider offers none."""
    if account.kind == CODEX and account.tokens.refresh is not None:
        return codex_pkce.revoke(CodexIdentity(account.origin), account.tokens.refresh)
    return None


def checking(account: Account) -> Flow[dict[str, Any]]:
    """One call that costs nothing and needs the account: what is left of its plan, or its models.

    Raises GrantRefused on 401 and 403, BadAnswer.
    """
    access = {**headers(account), "authorization": f"Bearer {account.tokens.access.reveal()}"}
    if account.kind == CODEX:
        reply: Reply = yield Ask("GET", CodexIdentity(account.origin).usage, headers=access)
    elif account.kind == CHATGPT:
        reply = yield Ask("GET", f"{account.base_url}/models", headers=access)
    else:
        token = account.tokens.refresh or Secret("")
        reply = yield from copilot_device.quota(CopilotIdentity(account.origin), token, version())
    if reply.status in (401, 403):
        raise GrantRefused(reply.error() or "bad_credentials", reply.status)
    if reply.status != 200 or not reply.json():
        raise BadAnswer("the test of the account", reply)
    return reply.json()


def headers(account: Account) -> dict[str, str]:
    """What a request with the account's token has to say besides the token. No secret."""
    return headers_for(account.kind, account.person.account_id, version())
