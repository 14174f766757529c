"""A secret shows itself only to those who ask for it by name."""

import copy
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.secrets.secret import Secret

CANARY = "canary-5f1c"


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{:>12}".format, "{!r}".format, lambda held: f"{held}", lambda held: f"{[held]}"],
)
def test_every_way_of_printing_is_masked(show):
    """repr, str and format never hold the value."""
    assert CANARY not in show(Secret(CANARY))
    assert "***" in show(Secret(CANARY))


def test_reveal_is_the_one_way():
    """The value comes back unchanged."""
    assert Secret(CANARY).reveal() == CANARY


def test_json_refuses():
    """A secret does not become JSON by accident; with `default=str` it is masked."""
    with pytest.raises(TypeError):
        json.dumps({"key": Secret(CANARY)})

    assert json.dumps({"key": Secret(CANARY)}, default=str) == '{"key": "***"}'


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refuses(protocol):
    """No protocol of pickle takes a secret."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(CANARY), protocol)


def test_copies_are_the_same_secret():
    """Copying, as `dataclasses.asdict` does, keeps the mask."""
    held = Secret(CANARY)

    assert held is copy.copy(held) is copy.deepcopy([held])[0]


def test_traceback_with_locals_is_masked():
    """A traceback that prints local variables does not print the value."""
    held = Secret(CANARY)
    try:
        assert held is None
    except AssertionError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "Secret('***')" in text
    assert f"held = {CANARY}" not in text


def test_equality():
    """Equal to a secret of the same value only, and no key of a table."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret("a"))


@given(st.text(), st.text())
def test_matches(value, other):
    """`matches` is equality, for text and for its bytes, whatever characters stand in it."""
    assert Secret(value).matches(other) is (value == other)
    assert Secret(value).matches(value.encode("utf-8", "surrogatepass"))
