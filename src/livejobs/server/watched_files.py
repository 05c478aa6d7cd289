"""The files that the jobs came from, and whether they have changed since a part loaded them.

A look costs one `stat` for each file, so it needs no library and fits into the supervisor's loop.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

Version = list[int]  # when it was written, its size, its inode; empty: it is not there. A list, as JSON gives it back
Versions = dict[str, Version]


def versions(files: Iterable[str]) -> Versions:
    """How these files are now."""
    return {file: _version(file) for file in files}


def _version(file: str) -> Version:
    try:
        found = os.stat(file)
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]


class WatchedFiles:
    """What each part has loaded, against what is there. An editor writes in steps: a change counts when it has settled.

    `changed` is asked again and again; it is true once for each change.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Versions] = {}  # by part
        self._seen: Versions = {}  # at the last look
        self._told: Versions | None = None

    @property
    def files(self) -> list[str]:
        """Every file that a part has loaded."""
        return sorted({file for each in self._loaded.values() for file in each})

    def loaded(self, part: str, found: Mapping[str, Version]) -> None:
        """Note what a part has loaded."""
        self._loaded[part] = dict(found)
        self._told = None

    def changed(self) -> list[str]:
        """The files that have changed, once they have settled and were not told before."""
        now = versions(self.files)
        settled, self._seen = now == self._seen, now
        if not settled or now == self._told:
            return []
        self._told = now
        return sorted({file for each in self._loaded.values() for file, found in each.items() if now[file] != found})
