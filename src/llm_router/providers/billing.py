"""How an account is paid for."""

from enum import StrEnum


class Billing(StrEnum):
    """By the token, or by a plan that costs the same whatever it answers."""

    METERED = "metered"
    PLAN = "plan"
