"""Whether a release that was published with a credential thief inside is installed."""

from llm_router.doctor.checks.litellm_missing import BEFORE, DIRECT
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.reinstall import reinstall
from llm_router.translator.integrity import KNOWN_BAD, installed
from llm_router.translator.launch import site_packages


def examine(context: Context) -> Finding | None:
    """In LiteLLM's environment, and in our own; the list is `translator/known_bad_releases.json`."""
    places = (site_packages(context.home.translator_environment), context.machine.packages)
    found = [
        f"{name} {version} in `{place}`"
        for place in places
        for name, version in installed(place)
        if version in KNOWN_BAD.get(name, frozenset())
    ]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "A release that steals credentials is installed",
        f"{found[0].partition(' in ')[0]} was published with a credential thief inside",
        evidence=(*shown(found), "Every key that this user could read may be known to others: replace them all"),
        fix="router down && router bootstrap",
        unharmed=DIRECT,
    )


CHECK = Check("litellm.known_bad", "releases known to steal credentials", examine, reinstall, depends_on=BEFORE)
