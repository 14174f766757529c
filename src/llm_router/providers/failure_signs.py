"""By what signs upstreams tell that an account is used up, throttled or overloaded, and when it is open again. Data."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

# Codes and types of error bodies, whatever status they come with.
EXHAUSTED_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "usage_limit_reached",
        "usage_not_included",
        "quota_exceeded",
        "subscription_sharing_usage_limit_exceeded",
        "free_tier_exhausted",
    }
)
THROTTLE_CODES = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "requests_limit_reached",
        "tokens_limit_reached",
        "too_many_requests",
        "slow_down",
        "model_cooldown",
    }
)
OUTAGE_CODES = frozenset(
    {
        "overloaded_error",
        "overloaded",
        "server_error",
        "api_error",
        "internal_server_error",
        "service_unavailable",
        "server_is_overloaded",
        "timeout_error",
        "model_at_capacity",
    }
)
CREDENTIAL_CODES = frozenset(
    {
        "authentication_error",
        "invalid_api_key",
        "permission_error",
        "account_deactivated",
        "token_expired",
        "subscription_sharing_user_not_eligible",
    }
)
# Codes by which an upstream says that the request itself cannot be served, whatever its status.
REQUEST_CODES = frozenset(
    {
        "context_length_exceeded",
        "invalid_prompt",
        "invalid_request_error",
        "previous_response_not_found",
        "content_policy_violation",
        "content_filter",
        "cyber_policy",
        "string_above_max_length",
        "request_too_large",
        "unsupported_parameter",
    }
)
# Where the code is that of any bad request, only how the message begins tells that nothing is left to spend.
EXHAUSTED_MESSAGES = ("Your credit balance is too low",)
# Codes that say nothing beyond the status they came with.
VAGUE_CODES = frozenset({"invalid_request_error", "permission_error", "api_error", "rate_limit_error"})

# Pages that stand before an upstream and answer in its place.
CHALLENGE_MARKS = (b"cf-browser-verification", b"challenge-platform", b"cf-error-details", b"Just a moment...")


class Form(StrEnum):
    """How a header tells when an account is open again."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    DATE_OR_SECONDS = "date-or-seconds"  # RFC 9110, Retry-After
    DURATION = "duration"  # 1m30.5s, 20ms
    MOMENT = "moment"  # RFC 3339
    EPOCH = "epoch"  # seconds since 1970


# In the order in which they are believed: what was meant for this very answer first.
RESET_HEADERS: Mapping[str, Form] = MappingProxyType(
    {
        "retry-after-ms": Form.MILLISECONDS,
        "retry-after": Form.DATE_OR_SECONDS,
        "x-codex-primary-reset-after-seconds": Form.SECONDS,
        "x-codex-secondary-reset-after-seconds": Form.SECONDS,
        "x-codex-primary-reset-at": Form.EPOCH,
    }
)
# Windows of which the one that is empty decides: (remaining, reset, form).
WINDOW_HEADERS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", Form.DURATION),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", Form.DURATION),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset", Form.MOMENT),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset", Form.MOMENT),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset", Form.MOMENT),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset", Form.MOMENT),
    ("x-ratelimit-remaining", "x-ratelimit-reset", Form.EPOCH),
)
# Members of an error object: seconds from now, and seconds since 1970.
RESET_IN_MEMBERS = ("resets_in_seconds", "reset_seconds", "retry_after")
RESET_AT_MEMBERS = ("resets_at",)
