"""The simulated GitHub: the device flow, the user, the exchange for Copilot tokens, the quota."""

from dataclasses import dataclass
from urllib.parse import urlencode

from llm_router.testing.identity_state import Answer, Behaviour, Call, Issued

USER_CODE = "WXYZ-1234"
COPILOT_LIFETIME = 1800  # seconds


@dataclass(frozen=True, slots=True)
class GitHubPart:
    """Answers GitHub's paths."""

    url: str
    behaviour: Behaviour
    issued: Issued

    def answer(self, call: Call) -> Answer | None:
        """The answer to a call, or None when the path is somebody else's."""
        match call.method, call.path:
            case "POST", "/login/device/code":
                return _as_asked(call, self._device_code())
            case "POST", "/login/oauth/access_token":
                return _as_asked(call, self._poll(call))
            case "GET", "/user" | "/copilot_internal/v2/token" | "/copilot_internal/user":
                return self._needs_token(call)
        return None

    def _device_code(self) -> dict[str, object]:
        device = self.issued.secret("ghdevice")
        self.issued.devices[device] = 0
        return {
            "device_code": device,
            "user_code": USER_CODE,
            "verification_uri": f"{self.url}/login/device",
            "expires_in": self.behaviour.code_lifetime,
            "interval": self.behaviour.interval,
        }

    def _poll(self, call: Call) -> dict[str, object]:
        device = str(call.body.get("device_code", ""))
        if device not in self.issued.devices:
            return {"error": "incorrect_device_code"}
        polls = self.issued.devices[device] = self.issued.devices[device] + 1
        if polls <= self.behaviour.slow_downs:
            return {"error": "slow_down", "interval": self.behaviour.interval + 5}
        if polls <= self.behaviour.slow_downs + self.behaviour.pending:
            return {"error": "authorization_pending"}
        if self.behaviour.outcome != "approve":
            return {"error": "access_denied" if self.behaviour.outcome == "deny" else "expired_token"}
        del self.issued.devices[device]
        token = self.issued.secret("ghu")
        self.issued.access.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:user"}

    def _needs_token(self, call: Call) -> Answer:
        if call.headers.get("authorization", "").removeprefix("token ") not in self.issued.access:
            return Answer(401, {"message": "Bad credentials"})
        if call.path == "/user":
            return Answer(200, {"login": self.behaviour.login})
        if not self.behaviour.subscription:
            return Answer(403, {"message": "no access to Copilot"})
        if call.path == "/copilot_internal/user":
            left = {"entitlement": 300, "remaining": 211, "percent_remaining": 70.3}
            return Answer(200, {"copilot_plan": "individual", "quota_snapshots": {"premium_interactions": left}})
        if "editor-version" not in call.headers:
            return Answer(400, {"message": "editor-version is missing"})
        self.issued.refreshes += 1
        token = self.issued.secret("copilot")
        body = {
            "token": token,
            "expires_at": self.behaviour.now() + COPILOT_LIFETIME,
            "refresh_in": COPILOT_LIFETIME - 300,
            "endpoints": {"api": self.url},
        }
        return Answer(200, dict(body))


def _as_asked(call: Call, body: dict[str, object]) -> Answer:
    if "json" in call.headers.get("accept", ""):
        return Answer(200, body)
    return Answer(200, urlencode(body).encode(), {"content-type": "application/x-www-form-urlencoded"})
