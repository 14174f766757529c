"""The one change made to a body: its model's name."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_router.wire.body import InvalidBody, RequestFacts, read_facts, replace_model

NAMES = st.text(min_size=1, max_size=20)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ['"model"', '"model":"x"', '\\"model": "', "model", "\\", "é😀", "\\u006d"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
KEYS = st.sampled_from(["model", "Model", '"model', "stream", "a", "é"]) | st.text(max_size=5)
VALUES = st.recursive(LEAVES, lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(KEYS, deeper, max_size=4))
SPACES = st.text(alphabet=" \t\r\n", max_size=3)
OBJECTS = st.lists(st.tuples(KEYS.filter(lambda key: key != "model"), VALUES), max_size=5)


@st.composite
def written(draw: st.DrawFn, text: str) -> str:
    """A JSON text for `text`, some of whose characters are escaped."""
    plain = json.dumps(text, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()) and text.isascii() and text.isalpha():
        return '"' + "".join(f"\\u{ord(letter):04x}" if draw(st.booleans()) else letter for letter in text) + '"'
    return plain


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, str, str]:
    """What stands before the value of the top-level model, the value, and what stands after it."""
    members = draw(OBJECTS)
    at = draw(st.integers(0, len(members)))

    def space() -> str:
        return draw(SPACES)

    def member(key: str, value: Any) -> str:
        held = json.dumps(value, ensure_ascii=draw(st.booleans()))
        return f"{space()}{draw(written(key))}{space()}:{space()}{held}{space()}"

    before = [member(key, value) for key, value in members[:at]]
    after = [member(key, value) for key, value in members[at:]]
    head = space() + "{" + ",".join([*before, f"{space()}{draw(written('model'))}{space()}:{space()}"])
    tail = space() + "".join(f",{text}" for text in after) + "}" + space()
    return head, draw(written(draw(NAMES))), tail


@given(bodies(), NAMES)
@settings(max_examples=60)
def test_only_the_model_changes(body: tuple[str, str, str], name: str):
    """Every byte but the top-level model's value is as it came, whatever else looks like it."""
    before, value, after = body
    sent = (before + value + after).encode()

    assert (before + json.dumps(name) + after).encode() == replace_model(sent, name)
    assert json.loads(value) == read_facts(sent).model
    assert {**json.loads(sent), "model": name} == json.loads(replace_model(sent, name))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a"}', b'{"model":"new"}'),
        (b' {\r\n\t"model" \n:\t "a" } ', b' {\r\n\t"model" \n:\t "new" } '),
        (b'{"x":{"model":"a"},"model":"a"}', b'{"x":{"model":"a"},"model":"new"}'),
        (b'{"model":"a","x":[{"model":"a"}]}', b'{"model":"new","x":[{"model":"a"}]}'),
        (b'{"model":"a","model":"b"}', b'{"model":"new","model":"new"}'),
        (b'{"mod\\u0065l":"a"}', b'{"mod\\u0065l":"new"}'),
        (b'{"\\"model":"a","model":"b"}', b'{"\\"model":"a","model":"new"}'),
        (b'{"x":"\\"model\\":\\"a\\"","model":"b"}', b'{"x":"\\"model\\":\\"a\\"","model":"new"}'),
        (b'{"model":"a\\"b\\\\"}', b'{"model":"new"}'),
        (
            '{"é":"日本","model":"ü","x":{"model":"1"}}'.encode(),
            '{"é":"日本","model":"new","x":{"model":"1"}}'.encode(),
        ),
        (b'{"x":{},"y":[],"model":"a","model":"b"}', b'{"x":{},"y":[],"model":"new","model":"new"}'),
        (
            b'{"n":-1.5e+3,"t":true,"z":null,"o":{"model":""},"model":"a"}',
            b'{"n":-1.5e+3,"t":true,"z":null,"o":{"model":""},"model":"new"}',
        ),
    ],
)
def test_forms_of_a_model_member(body: bytes, expected: bytes):
    """Nested, repeated, escaped and spaced members are told apart."""
    assert expected == replace_model(body, "new")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a"}', RequestFacts("a", stream=False)),
        (b'{"model":"a","stream":true}', RequestFacts("a", stream=True)),
        (b'{"model":"a","stream":"true"}', RequestFacts("a", stream=False)),
        (b'{"model":"a","model":"b"}', RequestFacts("b", stream=False)),
    ],
)
def test_facts(body: bytes, expected: RequestFacts):
    """The model and whether to stream are all that is read."""
    assert expected == read_facts(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no",
        b"[]",
        b"null",
        b'"model"',
        b"{}",
        b'{"model":""}',
        b'{"model":5}',
        b'{"model":null}',
        b'{"model":"a"',
        b'{"model":"a"} x',
        b'{"model":"\xff"}',
        b'\xef\xbb\xbf{"model":"a"}',
        '{"model":"a"}'.encode("utf-16"),
        '{"model":"a"}'.encode("utf-32-le"),
        b'{"model":"a","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_bodies_that_cannot_be_read(body: bytes):
    """What is not a JSON object in UTF-8 with a model is refused, also in encodings that JSON once allowed."""
    with pytest.raises(InvalidBody):
        read_facts(body)


@pytest.mark.parametrize(
    "filling",
    [
        "[" + ",".join(["1"] * 500_000) + "]",
        json.dumps('\\"' * 250_000),
        json.dumps([{"model": "x", "n": [number]} for number in range(30_000)]),
        json.dumps("x" * 1_000_000),
    ],
    ids=["numbers", "escapes", "models", "text"],
)
def test_a_large_body_is_quick(filling: str):
    """A body of 1 MiB costs less than 50 ms, also when other members are called model."""
    body = f'{{"other":{{"model":"a"}},"filling":{filling},"model":"a"}}'.encode()
    spent = []
    for _ in range(3):
        before = time.process_time()
        replaced = replace_model(body, "b")
        spent.append(time.process_time() - before)

    assert body[:-4] + b'"b"}' == replaced
    assert min(spent) < 0.05
