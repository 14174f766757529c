"""Text becomes plain values with lines, or an error that says where it is broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.config.document import Document, decode, dotted, read
from llm_router.config.problems import ConfigError, ConfigMissing


def told(text):
    with pytest.raises(ConfigError) as caught:
        decode(text, "f.yaml")
    return caught.value.message


def test_values_and_lines():
    """Each key and each item knows its line; what is not there has the line of what is around it."""
    held = decode("a:\n  b: [1,\n    two]\nc: null\n", "f.yaml")

    assert held == Document(
        "f.yaml",
        {"a": {"b": [1, "two"]}, "c": None},
        {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 2, ("a", "b", 1): 3, ("c",): 4},
    )
    assert [held.line_of(path) for path in [("a", "b", 1, "x"), ("a", "x"), ("x",), ()]] == [3, 1, 0, 0]


def test_dates_stay_text():
    """A version that looks like a date is not turned into one."""
    assert decode("v: 2024-02-01\nt: 2024-02-01 10:00:00\n", "f").value == {
        "v": "2024-02-01",
        "t": "2024-02-01 10:00:00",
    }


def test_anchors_and_merge_keys():
    """Parts may be shared; what stands beside `<<` wins and is no double key."""
    held = decode("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n", "f")

    assert held.value == {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}


def test_json_with_tabs():
    """JSON is read as JSON, with lines."""
    held = decode('{\n\t"a": {"b": "\\ud83d\\ude00"}\n}', "f")

    assert held == Document("f", {"a": {"b": "😀"}}, {("a",): 2, ("a", "b"): 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml: the file is empty"),
        ("# nothing\n", "f.yaml: the file is empty"),
        ("\n- a\n", "f.yaml:2: the file must be a mapping, such as `config_version: 3`"),
        ("a: 1\nb: [1,\nc: 2\n", "f.yaml:4: the YAML is broken: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\na: 2\n", "f.yaml:2: a: the key stands here twice; it was first on line 1"),
        ('{"a": 1,\n "a": 2}', "f.yaml:2: a: the key stands here twice; it was first on line 1"),
        ("m:\n  1: x\n", "f.yaml:2: m: a key must be text; write `1` in quotes"),
        ("m:\n  [a]: x\n", "f.yaml:2: m: a key must be text; write this one in quotes"),
        (
            "a: !!python/object:os.system x\n",
            "f.yaml:1: the tag `tag:yaml.org,2002:python/object:os.system` is not known here",
        ),
        ("a: !!binary eA==\n", "f.yaml:1: the tag `tag:yaml.org,2002:binary` is not known here"),
        ('a: "\\ud800"\n', "f.yaml: the file holds half of a surrogate pair, which is no character"),
        ('{"a\\ud800": 1}', "f.yaml: the file holds half of a surrogate pair, which is no character"),
        ("a: *nowhere\n", "f.yaml:1: the YAML is broken: found undefined alias 'nowhere'"),
        ("a: &x [*x]\n", "f.yaml:1: the file is nested too deeply, or an alias holds itself"),
        ("a: b\x07\n", "f.yaml: the YAML is broken: the file holds a character that is not allowed"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: the YAML is broken: but found another document"),
    ],
)
def test_broken(text, message):
    """Whatever is wrong with the text is told with its line."""
    assert message == told(text)


def test_aliases_that_unfold_without_end():
    """A small file cannot become a large one."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]

    assert "nested too deeply" in told("\n".join(lines))


@pytest.mark.parametrize("mark", ["[", "{a: ", "- "])
def test_deep_nesting(mark):
    """Depth that would exhaust the stack is an error like any other."""
    assert told("a: " + mark * 5000)


def test_all_double_keys_at_once():
    """Several problems are told together."""
    assert told("a: 1\na: 2\nb: 1\nb: 2\n") == (
        "2 problems in the configuration\n"
        "  f.yaml:2: a: the key stands here twice; it was first on line 1\n"
        "  f.yaml:4: b: the key stands here twice; it was first on line 3"
    )


def test_files(tmp_path):
    """A file that is missing, too large, not text or not readable is told apart."""
    path = tmp_path / "router.yaml"
    with pytest.raises(ConfigMissing, match="There is no configuration at"):
        read(path)
    for content, message in [
        (b"a: 1\nb: \xff\n", f"{path}:2: the file is not UTF-8 text"),
        (b"#" * (4 * 1024 * 1024 + 1), f"{path}: the file is larger than 4 MiB"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert message == caught.value.message
    with pytest.raises(ConfigError, match="the file cannot be read: is a directory"):
        read(tmp_path)
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(path).value == {"a": 1}


@given(st.text())
def test_any_text_decodes_or_is_refused(text):
    """No text makes the decoder fail in any other way."""
    try:
        held = decode(text, "f")
    except ConfigError:
        return
    assert isinstance(held.value, dict)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _values, max_size=5))
def test_json_means_the_same(value):
    """What was written as JSON comes back as it was."""
    text = json.dumps(value)
    try:
        held = decode(text, "f")
    except ConfigError:
        return  # a character that YAML refuses
    assert held.value == value


def test_dotted():
    """Paths read as they would be written."""
    assert dotted(("models", "gpt-4.1", 0)) == "models.gpt-4.1[0]"
    assert dotted(()) == ""
