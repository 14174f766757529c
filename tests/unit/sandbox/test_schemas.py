"""Instances made from JSON schemas."""

import pytest

from llm_router.sandbox.schemas import instance


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {}),
        ({"type": "string"}, "sandbox"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "minLength": 9}, "sandboxxx"),
        ({"type": "string", "maxLength": 3}, "san"),
        ({"type": "string", "enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "exclusiveMaximum": 1}, 0),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "number"}, 1),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "sandbox"),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"items": {"type": "boolean"}}, [True]),
    ],
)
def test_plausible_value(schema, value):
    """Types, bounds, enums and choices are respected."""
    assert instance(schema) == value


def test_only_what_is_required():
    """Optional properties are left out; a required one without a schema is a text."""
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "c"]}

    assert instance(schema) == {"a": 1, "c": "sandbox"}


@pytest.mark.parametrize("name", ["command", "cmd"])
def test_a_command_can_be_run(name: str):
    """A tool that runs commands is given a harmless one that shows that it ran."""
    text, words = {"type": "string"}, {"type": "array", "items": {"type": "string"}}

    assert instance({"properties": {name: text}, "required": [name]}) == {name: "echo sandbox-tool-ran"}
    assert instance({"properties": {name: words}, "required": [name]}) == {name: ["echo", "sandbox-tool-ran"]}


def test_references_and_parts():
    """`$ref` and `allOf` are followed."""
    schema = {
        "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        "allOf": [{"$ref": "#/$defs/Place"}, {"properties": {"days": {"type": "integer"}}, "required": ["days"]}],
    }

    assert instance(schema) == {"city": "sandbox", "days": 1}
    assert instance({"$ref": "#/$defs/None"}) is None


def test_a_schema_that_contains_itself_ends():
    """Recursion stops where the schema lets it: null, or an empty list."""
    node = {"type": "object", "required": ["next", "all"]}
    node["properties"] = {
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        "all": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
    }
    made = instance({"$defs": {"Node": node}, "$ref": "#/$defs/Node"})

    def depth(node) -> int:
        assert sorted(node) == ["all", "next"]
        inner = [one for one in (node["next"], *node["all"]) if one is not None]
        assert None not in node["all"]
        return 1 + max(map(depth, inner), default=0)

    assert 1 < depth(made) < 6
