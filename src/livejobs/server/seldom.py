"""A log filter that says the same thing once a minute: what is tried each second would fill the terminal."""

from __future__ import annotations

import logging
import time
from typing import Final

SAID_EVERY_SECONDS: Final = 60.0


class Seldom(logging.Filter):
    """Says the same thing once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record says something that was not said lately."""
        now, text = time.monotonic(), record.getMessage()
        self._said_at = {each: at for each, at in self._said_at.items() if now - at < SAID_EVERY_SECONDS}
        is_news = text not in self._said_at
        self._said_at.setdefault(text, now)
        return is_news
