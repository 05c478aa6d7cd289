"""The page's scripts as they are served in a run: the package's own, or a copy with a defect."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[2] / "src" / "livejobs" / "static"


class EditError(Exception):
    """A defect does not fit the scripts any more: what it takes away is not there, or more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One text of one file that another takes the place of."""

    file: str
    old: str
    new: str


def served(edits: Sequence[Edit], folder: Path) -> Path:
    """The folder with the static files; a copy in this folder where there are edits.

    :raises EditError: an edit does not match exactly once.
    """
    if not edits:
        return SOURCE
    copy = folder / "static"
    shutil.copytree(SOURCE, copy)
    (copy / "package.json").write_text('{"type": "module"}')  # says so to Node; beside the sources there is one already
    for edit in edits:
        file = copy / "livejobs" / edit.file
        text = file.read_text()
        if text.count(edit.old) != 1:
            raise EditError(f"{edit.file} has {text.count(edit.old)} times: {edit.old}")
        file.write_text(text.replace(edit.old, edit.new))
    return copy
