"""Headers that an answer carries whoever gives it: named on the way in, sent on the way out."""

from collections.abc import Mapping
from typing import Final

from ingress.asgi import Message, Scope

_KEY: Final = "docqa.headers"


def add_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Whatever answers this request will carry these."""
    scope[_KEY] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def carry_headers(scope: Scope, message: Message) -> None:
    """Put them into the message that begins the answer."""
    if added := scope.get(_KEY):
        message["headers"] = [*message["headers"], *added]
