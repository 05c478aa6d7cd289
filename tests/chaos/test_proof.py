"""The proof of the proof: with a deliberate defect built in, the suite must fail, and for the right reason."""

from __future__ import annotations

import pytest

from tests.chaos import invariants
from tests.chaos.__main__ import BURSTS, planned
from tests.chaos.defects import DEFECTS
from tests.chaos.faults import BOTH, FAULTS
from tests.chaos.one import Order, run
from tests.chaos.report import Row

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]
SIZE = {"webs": 1, "workers": 2, "children": 4, "maintainers": 1}
SLOW = {"silent_narrowing", "rows_below_kept"}  # they need a burst; begun first, they end with the others
PATIENCE = 25.0  # seconds; what is lost is lost by then, and the sound product needs ten


def order(faults: tuple[str, ...], jobs: int, defect: str = "") -> Order:
    return Order(
        "postgresql", 4.0, 1, list(faults), jobs, 4, defect, PATIENCE, browsers=1, burst=BURSTS["short"], size=SIZE
    )


def violations(rows: list[Row]) -> dict[str, list[str]]:
    return {f"{row.fault}: {check}": found for row in rows for check, found in row.violations.items()}


@pytest.mark.timeout(1_500)
def test_without_a_defect_the_same_faults_are_survived() -> None:
    """Else the suite would fail for a reason of its own, and prove nothing."""
    faults = dict.fromkeys(fault for defect in DEFECTS.values() for fault in defect.faults)
    assert violations(run(order(tuple(faults), 8))) == {}


@pytest.mark.parametrize("name", sorted(DEFECTS, key=lambda name: name not in SLOW))
def test_a_defect_is_caught(name: str) -> None:
    defect = DEFECTS[name]
    found = violations(run(order(defect.faults, defect.jobs, name)))
    assert {check.partition(": ")[2] for check in found} & set(defect.caught_by), found


def test_every_defect_names_checks_that_there_are() -> None:
    checks = {"finished", "history", "ledger", "log", "cancel", "claimed", "owners", "refused", "views", "injected"}
    assert len(DEFECTS) >= 11
    assert all(set(defect.caught_by) <= checks for defect in DEFECTS.values())
    assert invariants.check_history([]) == []


@pytest.mark.parametrize("database", BOTH)
def test_two_seeds_of_the_short_level_have_every_fault(database: str) -> None:
    both = {*planned("short", database, 1), *planned("short", database, 2)}
    assert both == {fault.name for fault in FAULTS if "short" in fault.levels and database in fault.databases}
    assert {fault.name for fault in FAULTS if fault.levels} == both | set(planned("full", "postgresql", 1)) | set(
        planned("full", "sqlite", 1)
    ) | set(planned("short", "sqlite", 1)) | set(planned("short", "postgresql", 1))
