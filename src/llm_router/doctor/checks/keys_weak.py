"""Whether a client key can be guessed."""

import math
from collections import Counter

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

FEWEST = 20  # characters
LEAST_BITS = 64.0


def examine(context: Context) -> Finding | None:
    """Those that people chose: what `router key create` makes is 256 random bits."""
    from llm_router.errors import RouterError
    from llm_router.secrets.keys import LOCAL_KEY
    from llm_router.secrets.store import resolve

    references = context.loaded.settings.gateway.client_keys if context.loaded is not None else (LOCAL_KEY,)
    found = []
    for reference in references:
        if reference.startswith("keyring:"):
            continue
        try:
            key = resolve(reference, home=context.home, environ=context.environ).reveal()
        except RouterError:
            continue  # another check's
        if len(key) < FEWEST or _bits(key) < LEAST_BITS:
            found.append(f"{reference}: {len(key)} characters, about {_bits(key):.0f} bits")
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "A client key can be guessed",
        f"`{found[0].rpartition(': ')[0]}` is short or repeats itself",
        evidence=shown(found),
        fix="router key rotate local" if LOCAL_KEY in found[0] else "router key create NAME",
    )


def _bits(key: str) -> float:
    """How much the characters differ, as if each were drawn for itself; too high for words, which is good enough."""
    counts = Counter(key).values()
    return -sum(count * math.log2(count / len(key)) for count in counts)


CHECK = Check(
    "keys.weak",
    "client keys that can be guessed",
    examine,
    depends_on=("home.modes", "keys.local", "config.invalid"),
)
