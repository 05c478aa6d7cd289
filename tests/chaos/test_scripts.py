"""The defects of the page's scripts: they fit the scripts there are, and one that does not fit is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.defects import DEFECTS
from tests.chaos.scripts import SOURCE, Edit, EditError, served


@pytest.mark.parametrize("name", [name for name, defect in DEFECTS.items() if defect.edits])
def test_a_defect_of_the_scripts_changes_a_copy(name: str, tmp_path: Path) -> None:
    edits = DEFECTS[name].edits
    copy = served(edits, tmp_path)
    for edit in edits:
        there, here = ((folder / "livejobs" / edit.file).read_text() for folder in (SOURCE, copy))
        assert there != here == there.replace(edit.old, edit.new)


@pytest.mark.parametrize("old", ["there is no such text", "import "])
def test_what_is_not_there_exactly_once_is_an_error(old: str, tmp_path: Path) -> None:
    with pytest.raises(EditError):
        served([Edit("page.js", old, "")], tmp_path)


def test_without_a_defect_the_scripts_are_those_of_the_package(tmp_path: Path) -> None:
    assert served((), tmp_path) == SOURCE
