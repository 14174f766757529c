"""A profile is in force when all its files are; a failed application leaves what was."""

import json
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from llm_router.config.document import decode as decode_text
from llm_router.config.load import decode
from llm_router.control.activation import (
    ActivationFailed,
    State,
    activate,
    apply_to_running,
    compiled,
    read_state,
    restore,
    switch_profile,
    wanted_profile,
)
from llm_router.control.supervisor import SupervisorSilent
from llm_router.errors import RemoteError, RouterError, UnknownName
from llm_router.home import Home, HomeError
from llm_router.routing.plan import Plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 2, 2, 3, 4, 5, tzinfo=UTC)
OWN = "profiles: {raw: {retries: 0, litellm: {litellm_settings: {set_verbose: true}}}}\n"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / ".router")


def settings_of(home, text=""):
    return decode(decode_text(f"config_version: 3\n{text}", "f"), home.config).settings


def files(home):
    paths = (home.translator_config, home.plan, home.state)
    return {path.name: path.read_bytes() for path in paths if path.exists()}


def events(home):
    keys = ("event", "profile", "result", "detail")
    return [tuple(map(json.loads(line).get, keys)) for line in home.events.read_text().splitlines()]


def test_first_activation(home):
    """All three files, private; the plan has the digest of LiteLLM's file."""
    done = activate(home, settings_of(home), "cost", now=NOW)

    plan = Plan.from_json(home.plan.read_bytes())
    assert plan == done.plan
    assert plan.profile == "cost"
    assert plan.translator.digest == sha256(home.translator_config.read_bytes()).hexdigest()
    assert json.loads(home.state.read_bytes()) == {
        "schema": 1,
        "profile": "cost",
        "starting": "balanced",
        "generation": 1,
        "updated_at": "2026-01-02T03:04:05+00:00",
    }
    assert done.state == read_state(home) == State("cost", "balanced", 1, "2026-01-02T03:04:05+00:00")
    assert done.changed == (home.translator_config, home.plan, home.state)
    assert done.previous_profile == ""
    assert {stat.S_IMODE(path.stat().st_mode) for path in done.changed} == {0o600}


def written(path):
    """Which file it is and when it was written; when it was read does not count."""
    held = path.stat()
    return held.st_ino, held.st_mtime_ns, held.st_mode


def test_the_same_again_writes_nothing(home):
    """Equal input leaves every file, its time and the generation alone."""
    activate(home, settings_of(home), "cost", now=NOW)
    before = {path: written(path) for path in (home.translator_config, home.plan, home.state)}

    done = activate(home, settings_of(home), "cost", now=LATER)

    assert (done.changed, done.state.generation) == ((), 1)
    assert before == {path: written(path) for path in before}


def test_only_what_changed_is_written(home):
    """Two profiles with one LiteLLM part share its file."""
    activate(home, settings_of(home), "cost", now=NOW)
    done = activate(home, settings_of(home), "balanced", now=LATER)

    assert done.changed == (home.plan, home.state)
    assert (done.state.generation, done.previous_profile) == (2, "cost")


def test_a_profile_with_its_own_litellm_part(home):
    """Another digest tells the supervisor to replace LiteLLM."""
    settings = settings_of(home, OWN)
    plain, own = (compiled(settings, profile)[0].translator.digest for profile in ("balanced", "raw"))

    assert plain != own


def test_litellm_switched_off(home):
    """Without a translator there is no digest, so a change of its part replaces nothing."""
    plan, _ = compiled(settings_of(home, "litellm: {enabled: false}\n"), "balanced")

    assert (plan.translator.enabled, plan.translator.digest) == (False, "")


def test_unknown_profile_writes_nothing(home):
    """The folder is not even made."""
    with pytest.raises(UnknownName):
        activate(home, settings_of(home), "cots")

    assert not home.root.exists()


def test_what_litellm_must_not_be_given_writes_nothing(home):
    """The translator's refusal comes before anything is written."""
    settings = settings_of(home, "litellm: {base: {litellm_settings: {callbacks: [x]}}}\n")

    with pytest.raises(RouterError) as caught:
        activate(home, settings, "balanced")

    assert caught.value.code == "config.litellm_base"
    assert not home.root.exists()


def test_which_profile_to_start_with(home):
    """The one last set, until the configuration names another or it is gone."""
    settings = settings_of(home, OWN)
    assert wanted_profile(home, settings) == "balanced"
    activate(home, settings, "raw")
    assert wanted_profile(home, settings) == "raw"
    assert wanted_profile(home, settings_of(home)) == "balanced"
    assert wanted_profile(home, settings_of(home, f"{OWN}profile: cost\n")) == "cost"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'{"schema": 2}', b'{"schema": 1}', b"\xff"])
def test_damaged_state(home, content):
    """A damaged state counts as none, and the next activation mends it."""
    home.create()
    home.state.write_bytes(content)

    assert read_state(home) is None
    assert wanted_profile(home, settings_of(home)) == "balanced"
    assert activate(home, settings_of(home), "cost").state.generation == 1
    assert read_state(home) is not None


def test_restore(home):
    """Restoring brings back each byte, and removes what was not there."""
    first = activate(home, settings_of(home), "cost", now=NOW)
    before = files(home)
    second = activate(home, settings_of(home, OWN), "raw")

    restore(home, second)
    assert files(home) == before
    restore(home, first)
    assert files(home) == {}


def test_restore_after_somebody_elses_activation(home):
    """A later activation is not undone by an earlier one's failure."""
    first = activate(home, settings_of(home), "cost")
    activate(home, settings_of(home), "balanced")
    before = files(home)

    restore(home, first)

    assert files(home) == before


def test_a_write_that_fails_leaves_what_was(home):
    """When the last file cannot be written, the ones before it are put back."""
    activate(home, settings_of(home), "cost")
    before = files(home)
    home.state.unlink()
    home.state.mkdir()
    (home.state / "in-the-way").touch()

    with pytest.raises(HomeError):
        activate(home, settings_of(home, OWN), "raw")

    assert files_but_state(home) == {name: held for name, held in before.items() if name != "state.json"}


def files_but_state(home):
    return {path.name: path.read_bytes() for path in (home.translator_config, home.plan)}


def test_two_at_once(home):
    """Two commands at one time: the files are those of one of them, and both generations count."""
    settings = settings_of(home, OWN)
    threads = [threading.Thread(target=activate, args=(home, settings, name)) for name in ("raw", "cost") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    state = read_state(home)
    plan, translator = compiled(settings, state.profile)
    assert files_but_state(home) == {"litellm.active.yaml": translator, "plan.json": plan.to_json()}
    assert 2 <= state.generation <= 8


def test_switch_with_nothing_running(home):
    """Without a supervisor the files are the whole of it."""
    outcome = switch_profile(home, settings_of(home), "cost", apply=lambda held: apply_to_running(held, 1.0))

    assert outcome.applied is None
    assert read_state(home).profile == "cost"
    assert events(home) == [("profile_switch", "cost", "success", "nothing runs")]


def test_switch_that_is_taken(home):
    """The supervisor's answer is part of the outcome."""
    outcome = switch_profile(home, settings_of(home), "cost", apply=lambda _: {"profile": "cost"})

    assert outcome.applied == {"profile": "cost"}
    assert events(home) == [("profile_switch", "cost", "success", "applied")]


def test_switch_that_is_refused(home):
    """A refusal restores the files and says so."""
    activate(home, settings_of(home), "cost")
    before = files(home)

    def refuse(_home):
        raise RemoteError({"code": "x.y", "message": "LiteLLM did not start", "hints": ["Run `router logs`"]})

    with pytest.raises(ActivationFailed) as caught:
        switch_profile(home, settings_of(home), "balanced", apply=refuse)

    assert files(home) == before
    assert caught.value.as_json() == {
        "code": "profile.not_applied",
        "message": "The profile `balanced` was not taken by what runs",
        "causes": ["LiteLLM did not start"],
        "unharmed": "Restored the files of the profile `cost`; requests are served as before",
        "hints": ["Run `router logs`", "`router status` shows what runs"],
        "exit_code": 1,
    }
    assert events(home) == [("profile_switch", "balanced", "failed", "LiteLLM did not start")]


def test_switch_without_an_answer(home):
    """When nobody knows what runs, nothing is claimed about it."""

    def silent(_home):
        raise SupervisorSilent("The supervisor did not finish `apply`")

    with pytest.raises(ActivationFailed) as caught:
        switch_profile(home, settings_of(home), "cost", apply=silent)

    assert caught.value.unharmed == "Restored the folder as it was before"
    assert files(home) == {}


def test_plan_holds_no_secret(home):
    """References travel, secrets do not: the plan of a configuration with keys holds only their names."""
    settings = settings_of(home, "providers: {a: {kind: openai, key: env:A_KEY}}\n")
    plan, translator = compiled(settings, "balanced")

    assert replace(plan).upstreams["a"].key == "env:A_KEY"
    assert b"A_KEY" not in translator
