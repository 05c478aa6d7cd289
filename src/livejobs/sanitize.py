"""Text from outside made safe to store and to send: no NUL, no lone surrogates."""

from __future__ import annotations

import re
from typing import Any, Final

_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT: Final = "\ufffd"


def clean(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD: PostgreSQL refuses the one, UTF-8 the other."""
    return _UNSAFE.sub(REPLACEMENT, text)


def is_clean(text: str) -> bool:
    """Say whether text can be stored and sent as it is."""
    return _UNSAFE.search(text) is None


def clean_json(value: Any) -> Any:
    """Clean every text inside a JSON value, keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key) if isinstance(key, str) else key: clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


def cut(text: str, limit: int) -> str:
    """Shorten text to `limit` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
