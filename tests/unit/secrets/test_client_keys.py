"""Client keys: hashed at rest, shown once, bounded, revoked at once, rotated with a grace."""

import json
import stat
from dataclasses import replace

import pytest

from llm_router.errors import UnknownName
from llm_router.home import Home
from llm_router.routing.limits import PRESETS, BadLimit, KeyLimits
from llm_router.secrets.client_keys import (
    BadClientKey,
    ClientKey,
    ClientKeyExists,
    ClientKeysDamaged,
    Wanted,
    create_key,
    digest,
    load_client_keys,
    revoke_key,
    rotate_key,
)
from llm_router.secrets.keys import LOCAL_KEY, create_local_key, read_local_key

NOW = 1_800_000_000.0
MADE = "2027-01-15T08:00:00+00:00"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".router")


def loaded(home, *references, environ=None):
    return load_client_keys(home, references, environ or {})


def test_a_key_is_stored_as_its_hash(home):
    """The file is private, holds no key, and what is found by the key is what was made."""
    wanted = Wanted("app", ("router-*",), ("acme",), {"requests_per_minute": 5, "output_cap": 0})
    made, secret = create_key(home, "laptop", wanted, now=NOW)
    shown = secret.reveal()

    path = home.keys / "clients.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shown not in path.read_text()
    assert shown not in repr(made)
    assert len(shown) >= 46
    assert made == ClientKey(
        "laptop",
        digest(shown),
        shown[-4:],
        MADE,
        "app",
        replace(KeyLimits(), requests_per_minute=5, output_cap=0),
        ("router-*",),
        ("acme",),
    )
    assert loaded(home).find(shown) == made
    assert loaded(home).find(shown + "x") is None
    assert loaded(home).find("") is None
    assert loaded(home).find("\udcff") is None


def test_keys_are_all_different(home):
    """256 random bits."""
    assert len({create_key(home, f"k{number}", Wanted())[1].reveal() for number in range(20)}) == 20


@pytest.mark.parametrize("name", ["", "Laptop", "a b", "../x", "-x", "x" * 65, "ä"])
def test_bad_names_are_refused(home, name):
    """Nothing is written."""
    with pytest.raises(BadClientKey):
        create_key(home, name, Wanted())
    assert not (home.keys / "clients.json").exists()


def test_a_name_is_used_once(home):
    """The first key stays; the local key's name is taken from the start."""
    made, secret = create_key(home, "laptop", Wanted())

    for name in ("laptop", "local"):
        with pytest.raises(ClientKeyExists):
            create_key(home, name, Wanted())
    assert loaded(home).find(secret.reveal()) == made


@pytest.mark.parametrize("limits", [{"requests_per_minute": -1}, {"session_tokens": 10**15}])
def test_absurd_limits_are_refused(home, limits):
    """Nothing is written."""
    with pytest.raises(BadLimit):
        create_key(home, "laptop", Wanted(limits=limits))
    assert loaded(home).named() == []


def test_an_unknown_preset(home):
    """The error names those that exist."""
    with pytest.raises(UnknownName, match="agent"):
        create_key(home, "laptop", Wanted("agnet"))


@pytest.mark.parametrize(("model", "allowed"), [("router-default", True), ("gpt", True), ("gpt-2", False), ("", False)])
def test_scopes(home, model, allowed):
    """Names and globs; without any, everything is allowed."""
    made, _ = create_key(home, "laptop", Wanted(models=("router-*", "gpt"), providers=("acme",)))
    free, _ = create_key(home, "free", Wanted())

    assert (made.allows_model(model), free.allows_model(model)) == (allowed, True)
    assert (made.allows_provider("acme"), made.allows_provider("other"), free.allows_provider("x")) == (
        True,
        False,
        True,
    )


def test_a_scope_with_white_space(home):
    """It could never match."""
    with pytest.raises(BadClientKey):
        create_key(home, "laptop", Wanted(models=("a b",)))


def test_revoked_is_gone(home):
    """At once, and with it what was retiring; a second time it is unknown."""
    _, secret = create_key(home, "laptop", Wanted())
    fresh = rotate_key(home, "laptop", grace=3600)
    revoke_key(home, "laptop")

    assert loaded(home).find(secret.reveal()) is None
    assert loaded(home).find(fresh.reveal()) is None
    with pytest.raises(UnknownName):
        revoke_key(home, "laptop")


def test_rotated_with_a_grace(home):
    """Both keys are the same client until the grace is over; then only the new one is."""
    _, secret = create_key(home, "laptop", Wanted("agent"), now=NOW)
    fresh = rotate_key(home, "laptop", grace=3600, now=NOW + 10)
    known = loaded(home)

    held = known.find(fresh.reveal())
    assert held is not None
    assert (held.preset, held.created_at) == ("agent", "2027-01-15T08:00:10+00:00")
    assert known.find(secret.reveal(), NOW + 3609) == held
    assert known.find(secret.reveal(), NOW + 3610) is None


def test_rotated_without_a_grace(home):
    """The old key, and one that was still retiring, are worthless at once."""
    _, first = create_key(home, "laptop", Wanted(), now=NOW)
    second = rotate_key(home, "laptop", grace=3600, now=NOW)
    third = rotate_key(home, "laptop", grace=0, now=NOW + 1)
    known = loaded(home)

    found = [known.find(secret.reveal(), NOW + 2) for secret in (first, second, third)]
    assert [held is not None for held in found] == [False, False, True]


@pytest.mark.parametrize("grace", [-1, 91 * 86400, float("nan")])
def test_an_absurd_grace(home, grace):
    """Nothing is changed."""
    _, secret = create_key(home, "laptop", Wanted())
    with pytest.raises(BadClientKey):
        rotate_key(home, "laptop", grace=grace)
    assert loaded(home).find(secret.reveal()) is not None


def test_the_local_key_is_an_agents(home):
    """Named after its file, with the limits of an agent; it can be rotated and not be revoked."""
    secret = create_local_key(home)
    assert secret is not None
    held = loaded(home, LOCAL_KEY).find(secret.reveal())
    assert held is not None
    assert (held.name, held.preset, held.limits, held.source) == ("local", "agent", PRESETS["agent"], LOCAL_KEY)

    fresh = rotate_key(home, "local", grace=60, now=NOW)
    known = loaded(home, LOCAL_KEY)

    assert read_local_key(home) == fresh
    assert stat.S_IMODE(home.local_key.stat().st_mode) == 0o600
    assert [known.find(key.reveal(), NOW).name for key in (fresh, secret)] == ["local", "local"]
    assert known.find(secret.reveal(), NOW + 60) is None
    with pytest.raises(BadClientKey, match="own key"):
        revoke_key(home, "local")


def test_references_are_named_after_their_place(home):
    """A variable, a file; a short key shows nothing of itself."""
    known = loaded(home, "env:TEAM_KEY", environ={"TEAM_KEY": "short"})

    held = known.find("short")
    assert held is not None
    assert (held.name, held.last4, held.preset) == ("team_key", "", "agent")


def test_what_cannot_be_had_is_a_problem(home):
    """The rest goes on working; and a door whose keys are lost is not an open one."""
    _, secret = create_key(home, "laptop", Wanted())
    known = loaded(home, "env:MISSING")

    assert known.find(secret.reveal()) is not None
    assert [problem.code for problem in known.problems] == ["secret.unavailable"]
    assert not loaded(home, "env:MISSING").is_open
    assert loaded(Home(home.root / "empty")).is_open


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"schema": 2}', '{"schema": 1, "keys": [{}], "retiring": []}', '{"schema": 1, "keys": 1}'],
)
def test_a_damaged_file_is_not_written_over(home, content):
    """Reading makes a problem of it, changing refuses; the gateway's door stays closed."""
    create_key(home, "laptop", Wanted())
    path = home.keys / "clients.json"
    path.write_text(content)

    known = loaded(home)
    assert ([problem.code for problem in known.problems], known.is_open) == (["key.store_damaged"], False)
    with pytest.raises(ClientKeysDamaged):
        create_key(home, "other", Wanted())
    assert path.read_text() == content


def test_listings_show_no_hash(home):
    """What reading commands print."""
    made, _ = create_key(home, "laptop", Wanted(), now=NOW)

    shown = json.loads(json.dumps(made.as_json()))
    assert set(shown) == {"name", "last4", "created_at", "preset", "limits", "models", "providers", "source"}
    assert made.sha256 not in json.dumps(shown)
