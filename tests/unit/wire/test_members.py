"""Where members stand: the bytes of each span are its value, whatever stands around it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_router.wire.members import Member, members, opening

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=4), deeper, max_size=3),
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=6), VALUES), st.booleans(), st.sampled_from([None, 0, 2]))
def test_spans(held: dict[str, Any], plain: bool, indent: int | None):
    """Each member once, in order, with its own bytes."""
    body = json.dumps(held, ensure_ascii=plain, indent=indent).encode()
    found = list(members(body))

    assert [json.loads(body[member.start : member.end]) for member in found] == list(held.values())
    assert [member.name.encode("latin-1", "replace").decode(errors="replace") for member in found if plain] == [
        name.encode("latin-1", "replace").decode(errors="replace") for name in held if plain
    ]


def test_repeated():
    """A member that stands twice is found twice."""
    assert list(members(b' {"a":1 , "a" : "x"} ')) == [Member("a", 1, 6, 7), Member("a", "x", 16, 19)]


@pytest.mark.parametrize("body", [b"{}", b" { } ", b'{"a":1}'])
def test_opening(body: bytes):
    """The place for a first member is behind the outermost brace."""
    assert body[: opening(body)].strip() == b"{"
