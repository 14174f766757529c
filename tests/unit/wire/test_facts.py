"""What limits are counted by, and the output cap lowered with every other byte left alone."""

import base64
import json
import random
import timeit
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_router.wire.facts import CAP_MEMBERS, LimitFacts, clamp_output_cap, opening_texts, read_limit_facts
from llm_router.wire.formats import Wire

SESSION = "0c0fb8f9-3d1c-4f2a-9b4e-6d1f1a2b3c4d"
CLAUDE_OLD = f"user_{'a' * 64}_account_{'b' * 36}_session_{SESSION}"
CLAUDE_NEW = json.dumps({"device_id": "d", "account_uuid": "", "session_id": SESSION})


def facts_of(wire: Wire, body: dict[str, Any], headers: dict[str, str] | None = None) -> LimitFacts:
    text = json.dumps(body).encode()
    return read_limit_facts(wire, json.loads(text), headers or {}, text)


def test_whole():
    """Everything that is read of one request."""
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}] * 3,
        "max_tokens": 32000,
        "prompt_cache_key": "k",
    }

    assert facts_of(Wire.CHAT, body) == LimitFacts(
        wire=Wire.CHAT,
        session="k",
        session_source="prompt_cache_key",
        messages=3,
        cap_member="max_tokens",
        cap=32000,
        prompt_tokens=-(-len(json.dumps(body)) // 4),
    )


# In the order in which they count; each line is enough by itself and yields to those above it.
SOURCES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("x-claude-code-session-id", {"x-claude-code-session-id": "s"}, {}),
    ("metadata.user_id", {}, {"metadata": {"user_id": CLAUDE_OLD}}),
    ("session-id", {"session-id": "s"}, {}),
    ("session_id", {"session_id": "s"}, {}),
    ("x-session-id", {"x-session-id": "s"}, {}),
    ("x-session-affinity", {"x-session-affinity": "s"}, {}),
    ("thread-id", {"thread-id": "s"}, {}),
    ("conversation-id", {"conversation-id": "s"}, {}),
    ("conversation_id", {"conversation_id": "s"}, {}),
    ("prompt_cache_key", {}, {"prompt_cache_key": "s"}),
    ("conversation", {}, {"conversation": {"id": "s"}}),
]


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_session_order(first: int):
    """A session id counts before those that are below it in the table."""
    name, _, _ = SOURCES[first]
    headers = {key: value for _, held, _ in SOURCES[first:] for key, value in held.items()}
    body = {key: value for _, _, held in SOURCES[first:] for key, value in held.items()}

    assert facts_of(Wire.MESSAGES, body, headers).session_source == name


@pytest.mark.parametrize(
    ("body", "session"),
    [
        ({"metadata": {"user_id": CLAUDE_OLD}}, SESSION),
        ({"metadata": {"user_id": CLAUDE_NEW}}, SESSION),
        ({"metadata": {"user_id": "somebody"}}, ""),
        ({"metadata": {"user_id": "{broken"}}, ""),
        ({"metadata": {"user_id": "[1]"}}, ""),
        ({"metadata": {"user_id": '{"session_id": 5}'}}, ""),
        ({"metadata": {"user_id": 7}}, ""),
        ({"metadata": "text"}, ""),
        ({"session_id": "  "}, ""),
        ({"session_id": 12, "prompt_cache_key": " k "}, "k"),
        ({"conversation": "c1"}, "c1"),
        ({"conversation": {"id": None}}, ""),
        ({"prompt_cache_key": "x" * 9999}, "x" * 512),
        ({}, ""),
    ],
)
def test_session(body: dict[str, Any], session: str):
    """What is no id is passed over, and an endless one is cut."""
    assert facts_of(Wire.CHAT, body).session == session


@pytest.mark.parametrize(
    ("wire", "body", "count"),
    [
        (Wire.CHAT, {"messages": [1, 2]}, 2),
        (Wire.MESSAGES, {"messages": [1]}, 1),
        (Wire.RESPONSES, {"input": [1, 2, 3], "messages": [1]}, 3),
        (Wire.RESPONSES, {"input": "hello"}, 1),
        (Wire.RESPONSES, {}, 0),
        (Wire.CHAT, {"messages": {"a": 1}}, 0),
        (Wire.EMBEDDINGS, {"input": ["a", "b"]}, 0),
    ],
)
def test_messages(wire: Wire, body: dict[str, Any], count: int):
    """Messages, or input items."""
    assert facts_of(wire, body).messages == count


@pytest.mark.parametrize(
    ("wire", "body", "member", "cap"),
    [
        (Wire.CHAT, {"max_tokens": 5, "max_completion_tokens": 7}, "max_completion_tokens", 7),
        (Wire.CHAT, {"max_tokens": 5, "max_completion_tokens": None}, "max_tokens", 5),
        (Wire.RESPONSES, {"max_output_tokens": 5, "max_tokens": 9}, "max_output_tokens", 5),
        (Wire.MESSAGES, {"max_tokens": 0}, "max_tokens", 0),
        (Wire.MESSAGES, {"max_tokens": -1}, "max_tokens", None),
        (Wire.MESSAGES, {"max_tokens": True}, "max_tokens", None),
        (Wire.MESSAGES, {"max_tokens": "5"}, "max_tokens", None),
        (Wire.MESSAGES, {"max_tokens": 5.5}, "max_tokens", None),
        (Wire.MESSAGES, {}, "", None),
        (Wire.EMBEDDINGS, {"max_tokens": 5}, "", None),
    ],
)
def test_cap(wire: Wire, body: dict[str, Any], member: str, cap: int | None):
    """The cap of each wire; what is no count is None."""
    facts = facts_of(wire, body)

    assert (facts.cap_member, facts.cap) == (member, cap)


NESTED = ' {\n "a":[{"max_tokens": 9}],\t"max_tokens" : 100 } '


@pytest.mark.parametrize(
    ("wire", "body", "expected"),
    [
        (Wire.MESSAGES, '{"max_tokens":32000}', '{"max_tokens":100}'),
        (Wire.MESSAGES, ' {\n "a":[{"max_tokens": 9}],\t"max_tokens" : 999 } ', NESTED),
        (Wire.MESSAGES, '{"max_tokens":100}', '{"max_tokens":100}'),
        (Wire.MESSAGES, '{"max_tokens":0}', '{"max_tokens":0}'),
        (Wire.MESSAGES, '{"max_tokens":-1}', '{"max_tokens":100}'),
        (Wire.MESSAGES, '{"max_tokens":"99999"}', '{"max_tokens":100}'),
        (Wire.MESSAGES, '{"max_tokens":null}', '{"max_tokens":100}'),
        (Wire.MESSAGES, '{"max_tokens":1e9}', '{"max_tokens":100}'),
        (Wire.MESSAGES, '{"max_tokens":{"a":[1]}}', '{"max_tokens":100}'),
        (Wire.MESSAGES, '{"max_tokens":999,"max_tokens":5}', '{"max_tokens":100,"max_tokens":5}'),
        (Wire.MESSAGES, '{"max_\\u0074okens":999,"max_tokens":5}', '{"max_\\u0074okens":100,"max_tokens":5}'),
        (Wire.CHAT, '{"max_tokens":999,"max_completion_tokens":5}', '{"max_tokens":100,"max_completion_tokens":5}'),
        (Wire.RESPONSES, '{"é":"日本","max_output_tokens":999}', '{"é":"日本","max_output_tokens":100}'),
        (Wire.MESSAGES, '{"a":1}', '{"max_tokens":100,"a":1}'),
        (Wire.CHAT, ' { "a":1}', ' {"max_completion_tokens":100, "a":1}'),
        (Wire.RESPONSES, "{ }", '{"max_output_tokens":100 }'),
        (Wire.EMBEDDINGS, '{"a":1}', '{"a":1}'),
    ],
)
def test_clamp(wire: Wire, body: str, expected: str):
    """Only caps above the limit change, wherever and however often they stand; one is added where none is."""
    sent = body.encode()

    assert expected.encode() == clamp_output_cap(sent, read_limit_facts(wire, json.loads(sent), {}, sent), 100)


def test_clamp_with_the_older_name():
    """An upstream that knows only the older name gets that one."""
    facts = facts_of(Wire.CHAT, {"a": 1})

    assert clamp_output_cap(b'{"a":1}', facts, 9, absent="max_tokens") == b'{"max_tokens":9,"a":1}'


def test_clamp_changes_nothing_below():
    """A request within the limit is the very same object."""
    sent = b'{"max_tokens": 5}'

    assert clamp_output_cap(sent, read_limit_facts(Wire.MESSAGES, json.loads(sent), {}, sent), 5) is sent


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False)
NAMES = st.sampled_from(["max_tokens", "max_completion_tokens", "max_output_tokens", "a", '"', "é"])
VALUES = st.recursive(LEAVES, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(NAMES, deeper, max_size=3))


@settings(deadline=None)
@given(st.sampled_from(list(Wire)), st.dictionaries(NAMES, VALUES), st.booleans(), st.sampled_from([None, 1]))
def test_clamp_holds(wire: Wire, body: dict[str, Any], plain: bool, indent: int | None):
    """After a clamp no cap of the wire is above the limit, and nothing else is different."""
    sent = json.dumps(body, ensure_ascii=plain, indent=indent).encode()
    held = json.loads(clamp_output_cap(sent, read_limit_facts(wire, json.loads(sent), {}, sent), 50))
    caps = [held.pop(name) for name in CAP_MEMBERS[wire] if name in held]

    assert {name: value for name, value in json.loads(sent).items() if name not in CAP_MEMBERS[wire]} == held
    assert all(isinstance(cap, int) and 0 <= cap <= 50 for cap in caps)
    assert bool(caps) == bool(CAP_MEMBERS[wire])


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%s"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,%s"}},
        {"type": "input_audio", "input_audio": {"data": "%s", "format": "wav"}},
        {"type": "input_file", "file_data": "data:application/pdf;base64,%s"},
    ],
)
def test_a_picture_is_no_text(part: dict[str, Any]):
    """A megabyte of base64 counts as a picture, not as 350 000 tokens of text."""
    data = base64.b64encode(random.Random(1).randbytes(1_000_000)).decode()
    sent = json.dumps({"messages": [{"role": "user", "content": [part]}]}).replace("%s", data).encode()
    facts = read_limit_facts(Wire.CHAT, json.loads(sent), {}, sent)

    assert 1600 < facts.prompt_tokens < 6000


def test_text_about_base64_is_text():
    """Words count as words, whatever they are about."""
    sent = json.dumps({"messages": [{"content": "base64 is an encoding " * 1000}]}).encode()

    assert facts_of(Wire.CHAT, json.loads(sent)).prompt_tokens == -(-len(sent) // 4)


NESTED_LISTS = json.loads("[" * 900 + '"deep"' + "]" * 900)


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (
            {"system": "be kind", "messages": [{"content": "hi"}, {"content": "yes"}, {"content": "4"}]},
            "be kind\nhi\nyes",
        ),
        ({"instructions": "i", "input": "hello"}, "i\nhello"),
        ({"input": [{"content": [{"type": "input_text", "text": "a" * 200}]}, {"role": "user"}]}, "a" * 100),
        ({"messages": 5}, ""),
        ({"input": NESTED_LISTS}, ""),
    ],
)
def test_opening(body: dict[str, Any], texts: str):
    """The beginning of a conversation, which every later request of it repeats."""
    assert opening_texts(body) == texts


def test_speed():
    """Facts of a 70 kB request cost less than a millisecond."""
    body = {"messages": [{"role": "user", "content": "hello world " * 200} for _ in range(28)], "max_tokens": 5}
    sent = json.dumps(body).encode()
    held = json.loads(sent)
    spent = min(timeit.repeat(lambda: read_limit_facts(Wire.MESSAGES, held, {}, sent), number=20, repeat=5)) / 20

    assert len(sent) > 65_000
    assert spent < 1e-3
