"""What a page says about the jobs that it offers: functions that are not served, and what the server has to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from django.utils.translation import gettext as _

from livejobs.definition import registry

Source = Callable[[], Sequence[str]]
_sources: Final[list[Source]] = []


def add_source(source: Source) -> None:
    """Have a source asked for sentences: for each page that is made, and every two seconds for open ones."""
    _sources.append(source)


def notices() -> list[str]:
    """Every sentence, those of the sources first; a host's project has none."""
    said = [sentence for source in _sources for sentence in source()]
    return [*said, *(_("Not served: {sentence}").format(sentence=refusal) for refusal in registry.refusals)]
