"""Changes of client keys: written first, then told to what runs."""

import json

import pytest

from llm_router.control.client_keys import all_keys, create, one_key, revoke, rotate, seconds
from llm_router.errors import RouterError, UnknownName
from llm_router.home import Home
from llm_router.secrets.client_keys import BadClientKey, Wanted
from llm_router.secrets.keys import create_local_key


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".router")
    made.create()
    return made


def test_every_change_is_told_and_written_down(home):
    """Three changes, three applications, three events that name the key and never show it."""
    told = []
    made = create(home, "laptop", Wanted(), apply=told.append)
    renewed = rotate(home, "laptop", "1h", apply=told.append)
    revoke(home, "laptop", apply=told.append)

    assert told == [home] * 3
    text = home.events.read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["event"], row["result"], row["key"]) for row in rows] == [
        ("client_key_created", "success", "laptop"),
        ("client_key_rotated", "success", "laptop"),
        ("client_key_revoked", "success", "laptop"),
    ]
    assert made.secret is not None
    assert renewed.secret is not None
    assert made.secret.reveal() not in text
    assert renewed.secret.reveal() not in text


def test_what_runs_does_not_take_it(home):
    """The key is made all the same, and the change says what is wrong."""

    def apply(_):
        raise RouterError("The gateway does not answer")

    change = create(home, "laptop", Wanted(), apply=apply)

    assert change.problem == "The gateway does not answer"
    assert one_key(home, "laptop", {}).name == "laptop"


def test_nothing_runs(home):
    """The default asks the supervisor, and there is none."""
    assert create(home, "laptop", Wanted()).problem == ""


def test_without_a_plan_the_local_key_is_known(home):
    """It is there from the first bootstrap on."""
    create_local_key(home)
    create(home, "laptop", Wanted())

    assert [key.name for key in all_keys(home, {}).named()] == ["laptop", "local"]
    with pytest.raises(UnknownName, match="laptop"):
        one_key(home, "labtop", {})


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("90s", 90), ("10m", 600), ("24h", 86400), (" 7d ", 604800)])
def test_times(text, value):
    """Seconds, minutes, hours, days."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "1", "-1h", "1w", "h", "1.5h"])
def test_other_times_are_refused(text):
    """With the forms that are known."""
    with pytest.raises(BadClientKey):
        seconds(text)
