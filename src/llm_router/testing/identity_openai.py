"""The simulated OpenAI: device codes, PKCE, Sign in with ChatGPT, rotation, revocation, usage, models."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from llm_router.testing.identity_state import Answer, Behaviour, Call, Issued, public_keys, token

CODEX_CLIENT = "app_EMoamEEZ73f0CkXaXp7hrann"
TOKEN_PATHS = ("/oauth/token", "/api/accounts/oauth/token")


@dataclass(frozen=True, slots=True)
class OpenAiPart:
    """Answers OpenAI's paths."""

    url: str
    behaviour: Behaviour
    issued: Issued

    def answer(self, call: Call) -> Answer | None:
        """The answer to a call, or None when the path is somebody else's."""
        match call.method, call.path:
            case "POST", "/api/accounts/deviceauth/usercode":
                return self._user_code()
            case "POST", "/api/accounts/deviceauth/token":
                return self._poll(call)
            case "GET", "/oauth/authorize" | "/api/accounts/authorize":
                return self._authorize(call)
            case "POST", path if path in TOKEN_PATHS:
                return self._token(call)
            case "POST", "/oauth/revoke":
                return self._revoke(call)
            case "GET", "/.well-known/openid-configuration":
                return Answer(200, {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"})
            case "GET", "/jwks":
                return Answer(200, public_keys())
            case "GET", "/backend-api/wham/usage" | "/v1/models":
                return self._needs_access(call)
        return None

    def _user_code(self) -> Answer:
        if not self.behaviour.device_codes:
            return Answer(404, {"error": {"code": "not_found"}})
        device = self.issued.secret("device")
        self.issued.devices[device] = 0
        body = {"device_auth_id": device, "user_code": "ABCD-EFGHI", "interval": str(self.behaviour.interval)}
        return Answer(200, dict(body))

    def _poll(self, call: Call) -> Answer:
        device = str(call.body.get("device_auth_id", ""))
        if device not in self.issued.devices or call.body.get("user_code") != "ABCD-EFGHI":
            return Answer(400, {"error": {"code": "invalid_request"}})
        polls = self.issued.devices[device] = self.issued.devices[device] + 1
        if polls <= self.behaviour.slow_downs:
            return Answer(429, {"error": {"code": "slow_down"}})
        if polls <= self.behaviour.slow_downs + self.behaviour.pending:
            return Answer(403, {"error": {"code": "deviceauth_authorization_pending"}})
        if self.behaviour.outcome != "approve":
            denied = self.behaviour.outcome == "deny"
            return Answer(400, {"error": {"code": "access_denied" if denied else "expired_token"}})
        del self.issued.devices[device]
        verifier = self.issued.secret("verifier")
        bound = {"challenge": _challenge(verifier), "redirect_uri": f"{self.url}/deviceauth/callback", "nonce": ""}
        code = self._code({**bound, "client_id": CODEX_CLIENT})
        return Answer(200, {"authorization_code": code, "code_verifier": verifier, "code_challenge": "x"})

    def _authorize(self, call: Call) -> Answer:
        asked = call.query
        back = {"state": asked.get("state", "")}
        if self.behaviour.outcome == "deny":
            return _redirect(asked["redirect_uri"], {**back, "error": "access_denied"})
        client = asked.get("client_id", "")
        if client == "dynamic_agent_client":
            if not asked.get("ext_agent_host_id", "").startswith("urn:uuid:"):
                return Answer(400, {"error": "invalid_request"})
            client = back["client_id"] = f"oaiapp_{secrets.token_hex(8)}"
        bound = {
            "challenge": asked["code_challenge"],
            "redirect_uri": asked["redirect_uri"],
            "client_id": client,
            "nonce": asked.get("nonce", ""),
        }
        return _redirect(asked["redirect_uri"], {**back, "code": self._code(bound)})

    def _code(self, bound: dict[str, str]) -> str:
        code = self.issued.secret("code")
        self.issued.codes[code] = bound
        return code

    def _token(self, call: Call) -> Answer:
        form = call.body
        if form.get("grant_type") == "authorization_code":
            bound = self.issued.codes.pop(str(form.get("code")), None)
            shown = {name: form.get(name) for name in ("redirect_uri", "client_id")}
            proven = bound is not None and _challenge(str(form.get("code_verifier"))) == bound["challenge"]
            if bound is None or not proven or shown != {name: bound[name] for name in shown}:
                return Answer(400, {"error": "invalid_grant"})
            return self._tokens(secrets.token_hex(8), bound["client_id"], bound["nonce"])
        return self._refresh(str(form.get("refresh_token", "")), str(form.get("client_id", "")))

    def _refresh(self, shown: str, client_id: str) -> Answer:
        if self.behaviour.refusal:
            return Answer(401, {"error": {"code": self.behaviour.refusal}})
        if shown in self.issued.spent:
            self.issued.reuses += 1
            self.issued.dead_families.add(self.issued.spent[shown])
            return Answer(401, {"error": {"code": "refresh_token_reused"}})
        family = self.issued.refresh.pop(shown, None)
        if family is None or family in self.issued.dead_families:
            return Answer(401, {"error": {"code": "refresh_token_invalidated"}})
        self.issued.spent[shown] = family
        self.issued.refreshes += 1
        return self._tokens(family, client_id, "")

    def _tokens(self, family: str, client_id: str, nonce: str) -> Answer:
        now, held = self.behaviour.now(), self.behaviour
        ours = {"chatgpt_account_id": held.account_id, "chatgpt_plan_type": "plus"}
        who = {"iss": self.url, "aud": [client_id], "sub": "user-1", "email": held.email, "nonce": nonce}
        times = {"iat": now, "exp": now + held.access_lifetime}
        access = token({**times, "jti": secrets.token_hex(8), "https://api.openai.com/auth": ours})
        shown = token({**who, **times, "https://api.openai.com/auth": ours})
        refresh = self.issued.secret("rt")
        self.issued.refresh[refresh] = family
        self.issued.access.add(access)
        self.issued.secrets += [access, shown]
        scope = "openid profile email offline_access resource.invoke"
        body = {
            "access_token": access,
            "refresh_token": refresh,
            "id_token": shown,
            "token_type": "Bearer",
            "expires_in": held.access_lifetime,
            "scope": f"{scope} chatgpt.tokens.use.direct" if held.plan_scope else scope,
        }
        return Answer(200, dict(body))

    def _revoke(self, call: Call) -> Answer:
        self.issued.refresh.pop(str(call.body.get("token", "")), None)
        return Answer(200, {})

    def _needs_access(self, call: Call) -> Answer:
        if call.headers.get("authorization", "").removeprefix("Bearer ") not in self.issued.access:
            return Answer(401, {"error": {"code": "token_expired"}})
        if call.path == "/v1/models":
            return Answer(200, {"models": [{"slug": "gpt-5", "visibility": "list"}]})
        window = {"used_percent": 12, "limit_window_seconds": 18000, "reset_at": self.behaviour.now() + 600}
        return Answer(200, {"plan_type": "plus", "rate_limit": {"primary_window": window}})


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _redirect(to: str, query: dict[str, str]) -> Answer:
    return Answer(302, b"", {"location": f"{to}?{urlencode(query)}"})
