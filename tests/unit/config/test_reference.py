"""docs/configuration.md names every key, every profile's numbers and every variable, and no others."""

import re
from pathlib import Path

from llm_router.config.document import dotted
from llm_router.config.environment import VARIABLES
from llm_router.config.known_keys import known_keys
from llm_router.config.profiles import BUILT_IN

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title):
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section(title).splitlines()[1:] if "|" in line
    ]


def test_every_key():
    """Each key of each part stands in the table, in backticks."""
    named = set(re.findall(r"`([a-z_.]+)", section("Keys")))
    paths = [(), ("gateway",), ("gateway", "timeouts"), ("litellm",), ("litellm", "base")]
    wanted = {key for path in paths for key in known_keys(path)}
    wanted |= {key for part in ("services", "providers", "profiles") for key in known_keys((part, "NAME"))}

    assert wanted <= {name.rpartition(".")[2] for name in named} | {name.partition(".")[0] for name in named}


def test_every_profile():
    """The numbers are those that ship."""
    shown = {row[0].strip("`"): row[1:4] for row in rows("Profiles") if row[0].strip("`") in BUILT_IN}

    assert shown == {
        name: [str(profile[key]) for key in ("retries", "failures_until_degraded", "cooldown")]
        for name, profile in BUILT_IN.items()
    }


def test_every_variable():
    """Exactly the variables of the table in the code."""
    shown = [(row[0].strip("`"), row[1].strip("`")) for row in rows("Environment")[2:]]

    assert shown == [(variable.name, dotted(variable.path)) for variable in VARIABLES]
