"""Where accounts sign in, as data: addresses, client ids, scopes, and the headers an endpoint cannot work without.

`origin` puts another server in the vendors' place: how tests aim everything at the simulated identity provider. An
account remembers the origin it came from, and its tokens are never sent to another.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

CODEX, COPILOT, CHATGPT = "codex", "copilot", "chatgpt"
KINDS = (CODEX, COPILOT, CHATGPT)
AGENT = "llm-router"
# The environment variable that names another origin, by kind.
ORIGIN_VARIABLES = {
    CODEX: "LLM_ROUTER_IDENTITY_OPENAI",
    CHATGPT: "LLM_ROUTER_IDENTITY_OPENAI",
    COPILOT: "LLM_ROUTER_IDENTITY_GITHUB",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class CodexIdentity:
    """The sign-in of OpenAI's Codex, known from its open-source client; there is no vendor page for it."""

    origin: str = ""
    client_id: str = "app_EMoamEEZ73f0CkXaXp7hrann"
    scope: str = "openid profile email offline_access"

    @property
    def auth(self) -> str:
        """The authorisation server."""
        return self.origin or "https://auth.openai.com"

    @property
    def base_url(self) -> str:
        """Where an access token is good."""
        return f"{self.origin or 'https://chatgpt.com'}/backend-api/codex"

    @property
    def authorize(self) -> str:
        """The page of the browser sign-in."""
        return f"{self.auth}/oauth/authorize"

    @property
    def token(self) -> str:
        """Codes and refresh tokens become access tokens here."""
        return f"{self.auth}/oauth/token"

    @property
    def revoke(self) -> str:
        """Refresh tokens end here."""
        return f"{self.auth}/oauth/revoke"

    @property
    def user_code(self) -> str:
        """A device sign-in begins here."""
        return f"{self.auth}/api/accounts/deviceauth/usercode"

    @property
    def device_token(self) -> str:
        """A device sign-in is asked after here."""
        return f"{self.auth}/api/accounts/deviceauth/token"

    @property
    def device_page(self) -> str:
        """Where a person types the code."""
        return f"{self.auth}/codex/device"

    @property
    def device_redirect(self) -> str:
        """The redirect that a device's code was made for."""
        return f"{self.auth}/deviceauth/callback"

    @property
    def redirect_ports(self) -> tuple[int, ...]:
        """The loopback ports that the vendor allows; any port with another origin."""
        return (0,) if self.origin else (1455, 1457)

    @property
    def usage(self) -> str:
        """The windows of the plan and what is left of them."""
        return f"{self.origin or 'https://chatgpt.com'}/backend-api/wham/usage"


@dataclass(frozen=True, slots=True)
class ChatgptIdentity:
    """Sign in with ChatGPT: the vendor's documented way for open-source tools on a person's own machine."""

    origin: str = ""
    bootstrap_client_id: str = "dynamic_agent_client"
    scope: str = "openid profile email offline_access resource.invoke chatgpt.tokens.use.direct"
    plan_scope: str = "chatgpt.tokens.use.direct"
    manage_usage: str = "https://chatgpt.com/settings/usage"
    refresh_lifetime: float = 30 * 24 * 3600.0  # seconds

    @property
    def auth(self) -> str:
        """The authorisation server, and the issuer of its identity tokens."""
        return self.origin or "https://auth.openai.com"

    @property
    def base_url(self) -> str:
        """Where an access token is good; also the `resource` it is asked for."""
        return f"{self.origin or 'https://api.openai.com'}/v1"

    @property
    def authorize(self) -> str:
        """The page of the sign-in."""
        return f"{self.auth}/api/accounts/authorize"

    @property
    def token(self) -> str:
        """Codes and refresh tokens become access tokens here."""
        return f"{self.auth}/api/accounts/oauth/token"

    @property
    def discovery(self) -> str:
        """The server's description: issuer, keys, revocation."""
        return f"{self.auth}/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class CopilotIdentity:
    """GitHub's device flow (documented) and Copilot's token exchange (not documented)."""

    origin: str = ""
    client_id: str = "Iv1.b507a08c87ecfe98"
    scope: str = "read:user"

    @property
    def web(self) -> str:
        """GitHub's pages."""
        return self.origin or "https://github.com"

    @property
    def api(self) -> str:
        """GitHub's API."""
        return self.origin or "https://api.github.com"

    @property
    def base_url(self) -> str:
        """Where a Copilot token is good unless the exchange names another place."""
        return self.origin or "https://api.githubcopilot.com"

    @property
    def device_code(self) -> str:
        """A device sign-in begins here."""
        return f"{self.web}/login/device/code"

    @property
    def token(self) -> str:
        """A device sign-in is asked after here."""
        return f"{self.web}/login/oauth/access_token"

    @property
    def user(self) -> str:
        """Who signed in."""
        return f"{self.api}/user"

    @property
    def exchange(self) -> str:
        """A GitHub token becomes a short Copilot token here."""
        return f"{self.api}/copilot_internal/v2/token"

    @property
    def quota(self) -> str:
        """The plan and what is left of it."""
        return f"{self.api}/copilot_internal/user"


def is_private_way(url: str) -> bool:
    """Whether a token may travel to this address: TLS, or this machine itself; no user name in it."""
    try:
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None:
        return False
    return secure or (parts.scheme == "http" and host in _LOOPBACK)


def headers_for(kind: str, account_id: str, version: str) -> dict[str, str]:
    """What a request with an account's token has to say besides the token. We are llm-router and say so."""
    common = {"user-agent": f"{AGENT}/{version}"}
    match kind:
        case "codex":
            held = {**common, "originator": AGENT}
            return {**held, "chatgpt-account-id": account_id} if account_id else held
        case "copilot":
            # The endpoint answers only requests that name an integration it knows and some editor.
            return {
                **common,
                "copilot-integration-id": "vscode-chat",
                "editor-version": f"{AGENT}/{version}",
                "editor-plugin-version": f"{AGENT}/{version}",
                "x-github-api-version": "2025-05-01",
            }
    return common
