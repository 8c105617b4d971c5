"""What of a JSON schema an answer can be held to: the keywords that restrict its form, within bounds.

Pure: checks a schema and leaves out what restricts nothing, such as descriptions; a grammar is made of it elsewhere.
"""

from typing import Any, Final

from contract.errors import BadMessageError

MAX_NODES: Final = 300
MAX_DEPTH: Final = 12
MAX_CHOICES: Final = 200
MAX_ITEMS: Final = 50
MAX_LENGTH: Final = 100
"""Larger bounds are passed over: each character and item of them is a rule of its own."""
MAX_TEXT_CHARS: Final = 200
"""Of a name or of a constant."""

_TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_FORMATS: Final = frozenset({"date", "time", "date-time", "uuid"})
_REFERENCES: Final = ("#/$defs/", "#/definitions/")
_COUNTS: Final = {"minItems": MAX_ITEMS, "maxItems": MAX_ITEMS, "minLength": MAX_LENGTH, "maxLength": MAX_LENGTH}
_UNSUPPORTED: Final = ("not", "if", "patternProperties", "dependentSchemas", "unevaluatedProperties", "prefixItems")

Schema = dict[str, Any]


def answer_schema(schema: Schema) -> Schema:
    """The schema with the keywords that are kept to; raises BadMessageError with the place of what can't be used.

    `pattern`, bounds of numbers, and large bounds of lengths are passed over: for the client to check.
    """
    return _Reader(schema).read()


class _Reader:
    """One schema while it is read."""

    def __init__(self, schema: Schema) -> None:
        self._whole = schema
        self._nodes = 0

    def read(self) -> Schema:
        kept = self._node(self._whole, "schema", 0)
        for name in ("$defs", "definitions"):
            if name in self._whole:
                kept[name] = self._named(self._whole[name], f"schema.{name}", 0)
        return kept

    def _node(self, node: Any, place: str, depth: int) -> Schema:
        node = self._checked(node, place, depth)
        if "$ref" in node:
            return {"$ref": self._reference(node["$ref"], place)}
        if "allOf" in node:
            if not isinstance(node["allOf"], list) or len(node["allOf"]) != 1:
                raise _refused(place, "`allOf` is supported with one schema in it")
            return self._node(node["allOf"][0], place, depth + 1)
        for name in ("anyOf", "oneOf"):
            if name in node:
                choices = _list(node[name], f"{place}.{name}")
                return {"anyOf": [self._node(one, f"{place}.{name}[{n}]", depth + 1) for n, one in enumerate(choices)]}
        if "const" in node:
            return {"const": _constant(node["const"], place)}
        if "enum" in node:
            return {"enum": [_constant(one, place) for one in _list(node["enum"], f"{place}.enum")]}
        return self._typed(node, place, depth)

    def _checked(self, node: Any, place: str, depth: int) -> Schema:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _refused("schema", f"it has more than {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            raise _refused(place, f"it is nested deeper than {MAX_DEPTH}")
        if not isinstance(node, dict):
            raise _refused(place, "an object is expected")
        for name in _UNSUPPORTED:
            if name in node:
                raise _refused(place, f"`{name}` is not supported")
        return node

    def _typed(self, node: Schema, place: str, depth: int) -> Schema:
        kept: Schema = {}
        if "type" in node:
            kept["type"] = _type(node["type"], place)
        if node.get("format") in _FORMATS:
            kept["format"] = node["format"]
        for name, most in _COUNTS.items():
            if node.get(name) is not None and _count(node[name], f"{place}.{name}") <= most:
                kept[name] = node[name]
        if "items" in node:
            kept["items"] = self._node(node["items"], f"{place}.items", depth + 1)
        return {**kept, **self._members(node, place, depth)}

    def _members(self, node: Schema, place: str, depth: int) -> Schema:
        kept: Schema = {}
        if "properties" in node:
            kept["properties"] = self._named(node["properties"], f"{place}.properties", depth)
            required = node.get("required", [])
            if not isinstance(required, list) or not set(map(str, required)) <= kept["properties"].keys():
                raise _refused(f"{place}.required", "names of properties are expected")
            kept["required"] = required
        more = node.get("additionalProperties")
        if isinstance(more, dict) and more:
            kept["additionalProperties"] = self._node(more, f"{place}.additionalProperties", depth + 1)
        elif "properties" in node or more is False:
            # What a schema leaves open, a model fills with anything.
            kept["additionalProperties"] = False
        return kept

    def _named(self, nodes: Any, place: str, depth: int) -> Schema:
        if not isinstance(nodes, dict):
            raise _refused(place, "an object is expected")
        return {_text(name, place): self._node(node, f"{place}.{name}", depth + 1) for name, node in nodes.items()}

    def _reference(self, reference: Any, place: str) -> str:
        for prefix in _REFERENCES:
            if isinstance(reference, str) and reference.startswith(prefix):
                named = self._whole.get(prefix.split("/")[1])
                if isinstance(named, dict) and reference.removeprefix(prefix) in named:
                    return reference
        raise _refused(place, "`$ref` must name one of the schema's own `$defs`")


def _type(given: Any, place: str) -> Any:
    names = given if isinstance(given, list) and given else [given]
    if not all(isinstance(name, str) and name in _TYPES for name in names):
        raise _refused(f"{place}.type", f"one of {', '.join(sorted(_TYPES))} is expected")
    return given


def _count(given: Any, place: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise _refused(place, "a whole number is expected")
    return given


def _list(given: Any, place: str) -> list[Any]:
    if not isinstance(given, list) or not 0 < len(given) <= MAX_CHOICES:
        raise _refused(place, f"a list of 1 to {MAX_CHOICES} is expected")
    return given


def _constant(given: Any, place: str) -> Any:
    if isinstance(given, dict | list):
        raise _refused(place, "constants are texts, numbers, true, false or null")
    return _text(given, place) if isinstance(given, str) else given


def _text(given: str, place: str) -> str:
    if len(given) > MAX_TEXT_CHARS or not given.isprintable():
        raise _refused(place, f"names and constants have up to {MAX_TEXT_CHARS} printable characters")
    return given


def _refused(place: str, why: str) -> BadMessageError:
    return BadMessageError(f"Field `response_format`: {place[:200]}: {why}")
