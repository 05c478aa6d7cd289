"""Which scopes are counted when, and who is told."""

from __future__ import annotations

from typing import Any, cast

from livejobs.conf import conf
from livejobs.live.counts import COUNT_SECONDS, Counts
from tests.unit.live.switchboard import MINE, SCOPE

GROUPS = (MINE, "livejobs.owner.other")
NOW = 1000.0


class Listener:
    """A session that is told numbers."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def counted(self, groups: tuple[str, ...], running: int) -> None:
        assert groups == GROUPS
        self.heard.append(running)


def listener() -> Any:
    return cast("Any", Listener())


def wanted() -> tuple[Counts, Any]:
    counts, session = Counts(), listener()
    counts.want(session, GROUPS, SCOPE, NOW)
    return counts, session


def test_a_new_scope_is_counted_at_once_and_its_session_told():
    counts, session = wanted()
    assert counts.due(NOW) == [(GROUPS, SCOPE)]
    assert counts.due(NOW) == []
    counts.took(GROUPS, 3)
    assert session.heard == [3]


def test_only_another_number_is_told():
    counts, session = wanted()
    for number in (3, 3, 4):
        counts.took(GROUPS, number)
    assert session.heard == [3, 4]


def test_a_change_of_its_jobs_has_it_counted_again_though_not_more_often_than_bearable():
    counts, _ = wanted()
    counts.due(NOW)
    counts.hear(GROUPS[1])
    assert counts.due(NOW + COUNT_SECONDS - 0.1) == []
    assert counts.due(NOW + COUNT_SECONDS) == [(GROUPS, SCOPE)]
    counts.hear("livejobs.owner.somebody")
    assert counts.due(NOW + 2 * COUNT_SECONDS) == []


def test_it_is_counted_now_and_then_and_after_a_suspicion():
    counts, _ = wanted()
    counts.due(NOW)
    assert counts.due(NOW + conf.HEAL_SECONDS - 0.1) == []
    assert counts.due(NOW + conf.HEAL_SECONDS) == [(GROUPS, SCOPE)]
    counts.suspect()
    assert counts.due(NOW + conf.HEAL_SECONDS) == [(GROUPS, SCOPE)]


def test_who_comes_later_is_told_what_is_known_and_it_is_counted_again_soon():
    counts, _ = wanted()
    counts.due(NOW)
    counts.took(GROUPS, 3)
    late = listener()
    counts.want(late, GROUPS, SCOPE, NOW)
    assert late.heard == [3]
    assert counts.due(NOW + COUNT_SECONDS) == [(GROUPS, SCOPE)]


def test_a_session_is_told_until_the_last_of_its_lists_is_gone():
    counts, session = wanted()
    other = listener()
    counts.want(session, GROUPS, SCOPE, NOW)
    counts.want(other, GROUPS, SCOPE, NOW)
    counts.unwant(session, GROUPS)
    counts.took(GROUPS, 1)
    counts.unwant(session, GROUPS)
    counts.took(GROUPS, 2)
    assert (session.heard, other.heard) == ([1], [1, 2])


def test_nobody_left_nothing_is_counted():
    counts, session = wanted()
    counts.unwant(session, GROUPS)
    counts.unwant(session, GROUPS)
    counts.hear(MINE)
    counts.suspect()
    counts.took(GROUPS, 5)
    assert counts.due(NOW + 100) == []
    assert session.heard == []
