"""The embeddings wire."""

import base64
import struct

import pytest

from llm_router.sandbox import embeddings


@pytest.mark.parametrize(
    ("given", "count"), [("a b", 1), (["a b", "c"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), (None, 1)]
)
def test_one_vector_for_each_input(given, count: int):
    """A text, a list of texts, one list of tokens or several."""
    made = embeddings.whole({"model": "embed-1", "input": given})

    assert [one["index"] for one in made["data"]] == list(range(count))
    assert {len(one["embedding"]) for one in made["data"]} == {16}
    assert (made["object"], made["model"]) == ("list", "embed-1")


def test_vectors_are_the_same_every_time():
    """Equal texts are equal, others are not, and the length is 1."""
    one, other = embeddings.vector("a", 8), embeddings.vector("b", 8)

    assert one == embeddings.vector("a", 8)
    assert one != other
    assert sum(value * value for value in one) == pytest.approx(1)


def test_dimensions_and_base64():
    """Both options of the wire are respected; usage counts words."""
    made = embeddings.whole({"input": ["a b", "c"], "dimensions": 4, "encoding_format": "base64"})

    packed = base64.b64decode(made["data"][0]["embedding"])
    assert list(struct.unpack("<4f", packed)) == pytest.approx(embeddings.vector("a b", 4))
    assert made["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
