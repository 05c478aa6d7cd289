"""What `livejobs check` does: it looks at every part, then sends a canary, and says one line for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from django.core.checks import WARNING, run_checks
from django.db import Error as DatabaseTrouble
from django.utils.translation import gettext as _

from livejobs.health import canary, parts
from livejobs.health.parts import Finding, Overall, Status

SECONDS: Final = 15.0  # how long the canary may take


def checkup(write: Callable[[str], object], seconds: float = SECONDS) -> bool:
    """Check everything, and say whether all is well.

    :param write: is given one line at a time.
    :param seconds: how long the canary may take.
    """
    well = True
    for name, finding in _findings(seconds):
        write(f"{name:<14} {finding.status:<9} {finding.message}")
        well &= finding.status is Status.OK
    return well


def _findings(seconds: float) -> Iterator[tuple[str, Finding]]:
    yield from (("settings", finding) for finding in _settings())
    found = parts.look()
    yield from found.items()
    if parts.overall(found) is not Overall.UNAVAILABLE:
        yield "canary", _canary(seconds)


def _settings() -> list[Finding]:
    """What Django's system checks say of our settings."""
    said = [
        Finding(Status.DOWN if message.is_serious() else Status.DEGRADED, f"{message.msg} ({message.id})")
        for message in run_checks(tags=["livejobs"])
        if message.level >= WARNING
    ]
    return said or [Finding(Status.OK, _("Nothing to object to."))]


def _canary(seconds: float) -> Finding:
    try:
        flight = canary.fly(seconds)
    except DatabaseTrouble:
        return Finding(Status.DOWN, _("The database stopped answering meanwhile."))
    return Finding(Status.OK if flight.arrived else Status.DOWN, flight.message)
