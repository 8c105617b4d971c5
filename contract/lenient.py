"""What clients may write in a question beyond its Struct's own types: null, one stop string, whole floats.

An optional field takes `null` like an absent one, `stop` takes one string in place of a list, and a whole float such as
128.0 is a whole number, as in JSON Schema. `contract.messages` decodes with it; the published schemas say it.
"""

from typing import Any, Final

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Some editors and clients write it before JSON (RFC 8259, 8.1: parsers may ignore it)."""

_LISTS: Final = frozenset({"stop"})
_REQUIRED: Final = frozenset({"query", "v"})


def normalized(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as the Struct wants them; what can't be helped stays, so that the decoder names it."""
    return {name: _plain(name, value) for name, value in fields.items() if value is not None or name in _REQUIRED}


def schema(component: dict[str, Any]) -> dict[str, Any]:
    """A question's JSON Schema, widened to what `normalized` accepts."""
    properties = {name: _widened(name, field) for name, field in component["properties"].items()}
    return {**component, "properties": properties}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [value] if name in _LISTS and isinstance(value, str) else value


def _widened(name: str, field: dict[str, Any]) -> dict[str, Any]:
    if name in _REQUIRED or "anyOf" in field:
        return field
    outer: dict[str, Any] = {key: field[key] for key in ("description", "default") if key in field}
    own = {key: value for key, value in field.items() if key not in outer}
    single = [own["items"]] if name in _LISTS else []
    return {**outer, "anyOf": [own, *single, {"type": "null"}]}
