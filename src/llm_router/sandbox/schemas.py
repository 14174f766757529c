"""A plausible value for a JSON schema: always the same one, always with every required property."""

from collections.abc import Mapping
from typing import Any

DEEPEST = 40
LONGEST_LIST = 100
# A schema that contains itself is followed this many steps; then null and the empty list are chosen where they may be.
_FULL = 34
_STRINGS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "sandbox@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}
COMMAND = "echo sandbox-tool-ran"
_COMMANDS = frozenset({"command", "cmd"})


def instance(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
    """A value that satisfies `schema`, made from types, enums, constants, references and bounds."""
    return _make(schema, schema, "", DEEPEST)


def _make(schema: object, root: Mapping[str, Any], name: str, depth: int) -> Any:  # noqa: ANN401
    if not isinstance(schema, Mapping) or depth <= 0:
        return None
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return _make(_resolve(schema["$ref"], root), root, name, depth - 1)
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return _make(_chosen(schema[key], depth), root, name, depth - 1)
    if isinstance(schema.get("allOf"), list):
        return _make(_merged(schema, root), root, name, depth - 1)
    return _typed(schema, root, name, depth)


def _typed(schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> Any:  # noqa: ANN401
    match _type_of(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, name, depth)
        case "string":
            return _string(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or not schema:
        return "object"
    return "array" if "items" in schema else "string"


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    required = schema.get("required")
    known = properties if isinstance(properties, Mapping) else {}
    names = required if isinstance(required, list) else []
    return {name: _make(known.get(name, {"type": "string"}), root, name, depth - 1) for name in names}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    if name in _COMMANDS:
        return COMMAND.split()
    usual = 1 if depth >= _FULL else 0
    wanted = max(usual, _whole(schema.get("minItems"), usual))
    wanted = min(wanted, _whole(schema.get("maxItems"), wanted))
    return [_make(schema.get("items", {"type": "string"}), root, "", depth - 1)] * wanted if wanted else []


def _whole(value: object, default: int) -> int:
    return min(value, LONGEST_LIST) if isinstance(value, int) and value >= 0 else default


def _string(schema: Mapping[str, Any], name: str) -> str:
    if name in _COMMANDS:
        return COMMAND
    text = _STRINGS.get(str(schema.get("format")), "sandbox")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int):
        text = text.ljust(least, "x")
    return text[:most] if isinstance(most, int) else text


def _number(schema: Mapping[str, Any]) -> int | float:
    whole = _type_of(schema) == "integer"
    value: int | float = 1
    if isinstance(low := schema.get("minimum"), int | float):
        value = max(value, low)
    if isinstance(above := schema.get("exclusiveMinimum"), int | float) and not isinstance(above, bool):
        value = max(value, above + 1)
    if isinstance(high := schema.get("maximum"), int | float):
        value = min(value, high)
    if isinstance(below := schema.get("exclusiveMaximum"), int | float) and not isinstance(below, bool):
        value = value if value < below else below - 1
    if isinstance(step := schema.get("multipleOf"), int | float) and step:
        value = step * max(1, -(-value // step))
    return int(value) if whole else value


def _chosen(choices: list[Any], depth: int) -> object:
    is_null = [isinstance(one, Mapping) and one.get("type") == "null" for one in choices]
    wanted = depth < _FULL and any(is_null)
    return next((one for one, null in zip(choices, is_null, strict=True) if null is wanted), choices[0])


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        found = _resolve(part["$ref"], root) if isinstance(part, Mapping) and "$ref" in part else part
        if not isinstance(found, Mapping):
            continue
        properties = {**merged.get("properties", {}), **found.get("properties", {})}
        required = [*merged.get("required", []), *found.get("required", [])]
        merged |= found
        if properties:
            merged |= {"properties": properties, "required": required}
    return merged


def _resolve(reference: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if not part:
            continue
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found
