"""What is done to screens: bursts, long lists, lost connections, pages that nobody looks at.

Each is done twice (`Fault.twice`), the second time with every snapshot a second slow (`failpoints.slow_snapshots`), so
that jobs change while a snapshot is under way, and so that the connection can be lost again just then.
"""

from __future__ import annotations

import signal
from typing import Final

from tests.chaos.cluster import wait
from tests.chaos.load import Plan
from tests.chaos.pages import gathered
from tests.chaos.stage import LOAD_SECONDS, Stage
from tests.support.waiting import wait_for

TOO_MANY: Final = 1_200  # jobs, more than a list keeps live
LONG_LIST: Final = 500  # rows
WAITING: Final = 400  # of them, of jobs that wait for a worker
MORE: Final = 150  # rows than the longest list has
BACK_SECONDS: Final = 3.0  # until a page has come back, mostly
SLOW_SHARE: Final = 4  # of a burst, in the slow round: there it is the lost connections that matter
UNDER_WAY_SECONDS: Final = 0.5  # after a connection was lost: the page is back, and its snapshot is being read
FROZEN_SECONDS: Final = 45.0  # people's; longer than a slow client is waited for, and than any ping is
FROZEN_LEAST_SECONDS: Final = 17.0  # a page's own times are not scaled: it calls what is silent for 15 s no longer live
AFTERWARDS: Final[tuple[Plan, ...]] = (
    ("steps", {"count": 10, "seconds": 1.5}),
    ("sleeps", {"seconds": 1.0}),
    ("quick", {}),
)


def screens_dropped(stage: Stage) -> int:
    """Every screen loses its connection at once, three times."""
    dropped = 0
    for _ in range(3):
        dropped += stage.screens.drop()
        wait(0.7)
    return dropped


def burst(stage: Stage) -> int:
    """More starts than a list is long, as fast as they are taken; slow: and connections are lost meanwhile.

    No job runs until a list cannot have them all: those that it lets go of still wait then, and change afterwards.
    """
    count = stage.burst // SLOW_SHARE if stage.slow else stage.burst
    jobs = stage.screens.person.jobs
    enough = jobs().count() + min(count, TOO_MANY)
    hold_jobs(stage)
    load = stage.start_at_once(count)
    wait_for(lambda: load.done() or jobs().count() >= enough, LOAD_SECONDS, "more jobs than a list has")
    let_jobs_run(stage)
    while not load.done():
        wait(BACK_SECONDS)
        if stage.slow:
            stage.screens.drop()
    return count


def hold_jobs(stage: Stage) -> None:
    """Let no job begin: the workers' parents, who hand them out, stand still."""
    for worker in stage.cluster.named("worker"):
        worker.signal(signal.SIGSTOP)


def let_jobs_run(stage: Stage) -> None:
    """Let them begin."""
    for worker in stage.cluster.named("worker"):
        worker.signal(signal.SIGCONT)


def have_long_lists(stage: Stage) -> None:
    """Every page shows five hundred rows, most of them of jobs that wait."""
    hold_jobs(stage)
    there = stage.screens.person.jobs().count()
    stage.start_at_once(max(WAITING, LONG_LIST - there)).result()
    stage.screens.older(LONG_LIST)
    stage.screens.least = LONG_LIST


def reconnect_long_list(stage: Stage) -> int:
    """A web process dies, and the jobs run as the pages come back; slow: and all lose their connections just then."""
    web = stage.chance.choice(stage.cluster.named("web"))
    restarts = web.restarts
    stage.cluster.kill(web)
    wait_for(lambda: web.restarts > restarts, 30, "another web process")
    let_jobs_run(stage)
    wait(BACK_SECONDS)
    if stage.slow:
        for _ in range(2):
            stage.screens.drop()
            wait(UNDER_WAY_SECONDS)
    return 1


def older_then_reconnect(stage: Stage) -> int:
    """Every second page has loaded older jobs, then all lose their connections; slow: while they are being loaded.

    Where the list is full, older jobs take the place of the newest; slow: such a page also comes back to them.
    """
    pages = stage.screens.pages
    if stage.slow:
        pages.newest()
        wait(UNDER_WAY_SECONDS)
    answers = pages.older(max(stage.screens.rows, default=0) + MORE, every=2)
    if stage.slow:
        wait(UNDER_WAY_SECONDS)
        dropped = stage.screens.drop()
        wait(UNDER_WAY_SECONDS)
    else:
        gathered(answers)
        dropped = 0
    dropped += stage.screens.drop()
    gathered(answers)
    return dropped


def page_hidden_frozen_thawed(stage: Stage) -> int:
    """Pages are hidden and frozen for 45 s while jobs run on, then thawed and shown, as on a phone."""
    pages, browsers = stage.screens.pages, stage.screens.browsers
    for number in range(len(pages.observers)):
        pages.hide(number)
    pages.observers[0].freeze()  # the others are hidden only
    browsers.freeze()
    wait(max(FROZEN_LEAST_SECONDS, stage.cluster.scaled(FROZEN_SECONDS)))
    stage.start([AFTERWARDS[number % len(AFTERWARDS)] for number in range(9)], 3.0)
    wait(0.5)
    pages.observers[0].thaw()
    browsers.thaw()
    for number in range(len(pages.observers)):
        pages.show(number)
    if stage.slow:
        wait(3.0)  # while they read what they missed
    return 1
