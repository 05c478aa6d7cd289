"""Text from outside made safe: to store and to send (no NUL, no lone surrogates), and to show in a terminal."""

from __future__ import annotations

import re
from typing import Any, Final

_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT: Final = "\ufffd"
# What a terminal obeys instead of showing it: colours, the cursor, titles, links; and what turns a line round.
_COMMANDS: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS and the like, up to their end
    r"|\x1b[ -/]*[0-~]?"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)
# What is not seen, or turns round what is: a name of these alone is an empty link, and one may read "exe.pdf" that ends
# with "exe". Not the joiners and marks that scripts and emoji need (200C to 200F).
_HIDDEN: Final = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]"
)
_BREAKS: Final = re.compile("[\n\u2028\u2029]+")


def clean(text: str) -> str:
    """Replace NUL and lone surrogates by U+FFFD: PostgreSQL refuses the one, UTF-8 the other."""
    return _UNSAFE.sub(REPLACEMENT, text)


def is_clean(text: str) -> bool:
    """Say whether text can be stored and sent as it is."""
    return _UNSAFE.search(text) is None


def plain(text: str) -> str:
    """What is there to read: no command for a terminal, no control but tabs and ends of lines."""
    return _COMMANDS.sub("", text)


def one_line(text: str) -> str:
    """The same in one line: nothing that a job says may look like a line of somebody else."""
    return _BREAKS.sub(" ⏎ ", plain(text))


def marked(text: str) -> str:
    """A name with what is hidden in it shown, each by its number: `[U+202E]`."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


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
