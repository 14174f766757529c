"""The plan: who may answer, through which lane, and that its text says the same."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.routing.plan import (
    Candidate,
    GatewaySettings,
    Lane,
    Model,
    Plan,
    Policy,
    Service,
    Timeouts,
    TranslatorSettings,
    Upstream,
    Wire,
    deployment_name,
    parse_route,
    route_id,
)

TEXT = st.text(max_size=12)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SECONDS = st.floats(0, 1000)
MAPPING = st.dictionaries(TEXT, TEXT, max_size=3)
UPSTREAMS = st.builds(
    Upstream,
    name=TEXT,
    kind=st.sampled_from(["sandbox", "openai", "anthropic", "litellm"]),
    base_url=TEXT,
    wires=st.lists(st.sampled_from(Wire), max_size=4).map(tuple),
    key=TEXT,
    headers=MAPPING,
    models=TEXTS,
)
PLANS = st.builds(
    Plan,
    profile=TEXT,
    gateway=st.builds(
        GatewaySettings,
        host=TEXT,
        port=st.integers(1, 65535),
        workers=st.integers(1, 32),
        max_body_bytes=st.integers(1),
        allowed_hosts=TEXTS,
        allowed_origins=TEXTS,
        client_keys=TEXTS,
        timeouts=st.builds(Timeouts, SECONDS, SECONDS, SECONDS, SECONDS),
    ),
    translator=st.builds(TranslatorSettings, st.booleans(), st.integers(1, 65535), TEXT, TEXTS),
    upstreams=st.lists(UPSTREAMS, max_size=3).map(lambda held: {upstream.name: upstream for upstream in held}),
    models=st.lists(
        st.builds(Model, TEXT, st.lists(st.builds(Candidate, TEXT, TEXT), max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    policy=st.builds(Policy, st.integers(0, 9), st.integers(0, 9), SECONDS, MAPPING),
    services=st.lists(
        st.builds(
            Service,
            name=TEXT,
            command=TEXTS,
            cwd=TEXT,
            environment=MAPPING,
            host=TEXT,
            port=st.none() | st.integers(1, 65535),
            readiness_path=TEXT,
            depends_on=TEXTS,
        ),
        max_size=2,
    ).map(tuple),
)


def upstream(name: str, *wires: Wire, kind: str = "openai", models: tuple[str, ...] = ()) -> Upstream:
    return Upstream(name, kind, f"http://{name}", wires, models=models)


def plan(*models: Model, enabled: bool = True) -> Plan:
    ups = [
        upstream("a", Wire.CHAT, Wire.EMBEDDINGS, models=("m1", "m2")),
        upstream("b", Wire.MESSAGES, kind="anthropic"),
        upstream("all", Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES, Wire.EMBEDDINGS, kind="sandbox"),
        upstream("vectors", Wire.EMBEDDINGS),
        upstream("litellm", kind="litellm"),
    ]
    return Plan("p", GatewaySettings(), TranslatorSettings(enabled=enabled), {up.name: up for up in ups}, models)


@given(PLANS)
def test_the_text_says_the_same(held: Plan):
    """A plan read back from its JSON equals the plan written, and writes the same bytes."""
    again = Plan.from_json(held.to_json())

    assert held == again
    assert held.to_json() == again.to_json()


@pytest.mark.parametrize("text", [b"", b"{}", b'{"schema": 2}', b'{"schema": 1}', b"nonsense"])
def test_text_that_is_no_plan(text: bytes):
    """Anything else is refused with a built-in error."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        Plan.from_json(text)


def test_order_of_candidates():
    """An exact alias wins over `provider/model`, and that over globs, which are asked in order."""
    held = plan(
        Model("a*", (Candidate("b", "glob-1"),)),
        Model("a/*", (Candidate("b", "glob-2"),)),
        Model("a/m1", (Candidate("b", "alias"), Candidate("a", "second"))),
        Model("claude-*", (Candidate("b", "*"), Candidate("a", "fixed"))),
        Model("claude-x", (Candidate("a", "exact"),)),
    )

    assert (Candidate("b", "alias"), Candidate("a", "second")) == held.candidates("a/m1")
    assert (Candidate("a", "m9"),) == held.candidates("a/m9")
    assert (Candidate("a", "x/y"),) == held.candidates("a/x/y")
    assert (Candidate("b", "glob-1"),) == held.candidates("abc")
    assert (Candidate("a", "exact"),) == held.candidates("claude-x")
    assert (Candidate("b", "claude-3"), Candidate("a", "fixed")) == held.candidates("claude-3")
    assert (
        () == held.candidates("nobody/m1") == held.candidates("a/")[1:] == held.candidates("zzz") == held.candidates("")
    )
    assert held.candidates("CLAUDE-3") == ()


def test_aliases():
    """Aliases first, then `provider/model`, each once; globs cannot be listed."""
    held = plan(Model("claude-*", (Candidate("b", "*"),)), Model("a/m1", (Candidate("a", "m1"),)), Model("fast", ()))

    assert held.aliases() == ("a/m1", "fast", "a/m2")


@pytest.mark.parametrize(
    ("name", "direct", "translate", "disabled"),
    [
        ("a", "D T T D", "T T T D", "D - - D"),
        ("b", "T T D -", "T T T -", "- - D -"),
        ("all", "D D D D", "T T T D", "D D D D"),
        ("vectors", "- - - D", "- - - D", "- - - D"),
        ("litellm", "R R R R", "R R R R", "- - - -"),
    ],
)
def test_lanes(name: str, direct: str, translate: str, disabled: str):
    """For each upstream: the lane of each wire, as asked, through port 4000, and without LiteLLM."""
    letters = {Lane.DIRECT: "D", Lane.TRANSLATED: "T", Lane.RAW: "R", None: "-"}
    candidate = Candidate(name, "m")

    def lanes(held: Plan, *, forced: bool = False) -> str:
        return " ".join(letters[held.lane(candidate, wire, translate=forced)] for wire in Wire)

    assert direct == lanes(plan())
    assert translate == lanes(plan(), forced=True)
    assert disabled == lanes(plan(enabled=False)) == lanes(plan(enabled=False), forced=True)


def test_units():
    """A plan needs a unit when an upstream stands on it."""
    held = plan()
    unit = replace(held.upstreams["all"], base_url="unit://sandbox")

    assert (
        held.needs_unit("sandbox"),
        replace(held, upstreams={"all": unit}).needs_unit("sandbox"),
        replace(held, upstreams={"all": unit}).needs_unit("sand"),
    ) == (False, True, False)


def test_routes():
    """A route names an upstream, dots and all, and one wire."""
    assert parse_route(route_id("my.up", Wire.CHAT)) == ("my.up", Wire.CHAT)
    assert deployment_name(Candidate("my.up", "m"), Wire.CHAT) == "my.up.chat/m"
    for text in ("", "chat", ".chat", "up.", "up.soap"):
        with pytest.raises(ValueError):
            parse_route(text)


def test_no_secret_in_the_text():
    """References stand in the text as they are; there is no field for a secret."""
    held = json.loads(plan().to_json())

    assert set(held) == {
        *("schema", "profile", "gateway", "translator", "upstreams", "models", "policy", "services"),
        *("prices", "state", "ledger_days"),
    }
