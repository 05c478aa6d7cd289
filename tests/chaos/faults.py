"""What is done to the cluster. Each fault does its harm, lets it last, heals it, and says how often it did."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos import failpoints, screen_faults
from tests.chaos.cluster import Cluster, Process, wait
from tests.chaos.load import Plan
from tests.chaos.stage import Stage
from tests.support.waiting import wait_for

Inject = Callable[[Cluster, random.Random], int]
MIXTURE: Final[tuple[Plan, ...]] = (
    ("steps", {"count": 10, "seconds": 1.0}),
    ("quick", {}),
    ("sleeps", {"seconds": 1.0}),
    ("flaky", {}),
    ("steps", {"count": 40, "seconds": 2.0}),
    ("subprocesses", {"seconds": 0.5}),
)
LONG: Final[tuple[Plan, ...]] = (("steps", {"count": 40, "seconds": 5.0}), ("sleeps", {"seconds": 4.0}))
LONGER: Final[tuple[Plan, ...]] = (("steps", {"count": 100, "seconds": 12.0}),)
HOUR: Final = 3600
REACHED_SECONDS: Final = 10.0
BOTH: Final = ("postgresql", "sqlite")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break things.

    :param screens: what is done to the screens, beside what is done to the cluster.
    :param before: what is done to them before any job is started.
    :param twice: once more with slow snapshots, and all is checked after each.
    :param kinds: the jobs that run meanwhile.
    :param cancel: the share of them that people cancel.
    :param untouched: nothing is broken, so that every job must run once, and soon.
    :param transaction: jobs are also started in a transaction that is slow to commit.
    :param most: no more jobs than this, because they are long: eight children would not be done in a minute.
    :param levels: where it is done; nowhere where only the proof of the proof needs it.
    """

    name: str
    inject: Inject
    screens: Callable[[Stage], int] | None = None
    before: Callable[[Stage], None] | None = None
    twice: bool = False
    databases: Sequence[str] = BOTH
    kinds: Sequence[Plan] = MIXTURE
    cancel: float = 0.2
    untouched: bool = False
    transaction: bool = False
    most: int = 1_000_000
    levels: Sequence[str] = ("short", "full", "soak")


# ---------------------------------------------------------------- processes


def calm(cluster: Cluster, chance: random.Random) -> int:
    """Nothing."""
    return 0


def child_killed(cluster: Cluster, chance: random.Random) -> int:
    """Kill -9 of who looks after a job, after pop, after claim, in mid-run, before the finish, between commit and hint.

    That is a child in prefork, and the worker itself where it has threads.
    """
    return _killed_at(failpoints.CHILD_POINTS, chance)


def _killed_at(names: Sequence[str], chance: random.Random) -> int:
    before = failpoints.taken()
    points = list(names)
    chance.shuffle(points)
    for number, point in enumerate(points, 1):
        failpoints.arm(point)
        reached_in_time(lambda number=number: failpoints.taken() >= before + number)  # type: ignore[misc]
    failpoints.disarm()
    return failpoints.taken() - before


def children_killed_at_random(cluster: Cluster, chance: random.Random) -> int:
    """Kill -9 of half of those who look after jobs, whatever they do."""
    victims = cluster.all_agents()
    for pid in chance.sample(victims, max(1, len(victims) // 2)):
        kill(pid)
    return max(1, len(victims) // 2)


def runner_killed(cluster: Cluster, chance: random.Random) -> int:
    """Kill -9 of a job's own process as it begins, in mid-run and when it is done, and of its zygote in mid-run."""
    return _killed_at(failpoints.RUNNER_POINTS, chance)


def agent_frozen(cluster: Cluster, chance: random.Random) -> int:
    """SIGSTOP of who looks after jobs for 45 s, then SIGCONT: their jobs' own processes are not frozen with them."""
    victims = cluster.agents(busiest(cluster))
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    wait(cluster.scaled(45))
    for pid in victims:
        os.kill(pid, signal.SIGCONT)
    return len(victims)


def worker_killed(cluster: Cluster, chance: random.Random) -> int:
    """Kill -9 of a worker with all its children."""
    cluster.kill(chance.choice(cluster.named("worker")))
    return 1


def web_killed(cluster: Cluster, chance: random.Random) -> int:
    """Kill -9 of a web process."""
    cluster.kill(chance.choice(cluster.named("web")))
    return 1


def maintain_killed(cluster: Cluster, chance: random.Random) -> int:
    """Kill -9 of maintenance between the commit that a job is published and its publishing."""
    before = failpoints.taken()
    cluster.broker.refused = True
    cluster.broker.reset()
    wait(1.5)  # what is started now cannot be published by the web process
    failpoints.arm("before_publish")
    cluster.broker.heal()
    reached_in_time(lambda: failpoints.taken() > before)
    failpoints.disarm()
    return failpoints.taken() - before


def worker_frozen(cluster: Cluster, chance: random.Random) -> int:
    """SIGSTOP of a worker for 45 s, then SIGCONT."""
    worker = busiest(cluster)
    worker.signal(signal.SIGSTOP, whole=True)
    wait(cluster.scaled(45))
    worker.signal(signal.SIGCONT, whole=True)
    return 1


def worker_frozen_late(cluster: Cluster, chance: random.Random) -> int:
    """The same, when its jobs are nearly done: thawed, they would end before the attempts that took their place."""
    wait(9)
    return worker_frozen(cluster, chance)


def rolling_sigterm(cluster: Cluster, chance: random.Random) -> int:
    """SIGTERM of everything, one after the other, as a deploy does it."""
    return _roll(cluster, chance, 1)


def rolling_sigterm_ten_times(cluster: Cluster, chance: random.Random) -> int:
    """The same, ten times."""
    return _roll(cluster, chance, 10)


def clock_off(cluster: Cluster, chance: random.Random) -> int:
    """A worker, a web and a maintenance process whose clocks are an hour ahead, or behind."""
    skew = chance.choice((HOUR, -HOUR))
    victims = [cluster.named(kind)[-1] for kind in ("worker", "web", "maintain")]
    for process in victims:
        process.environment["LIVEJOBS_CHAOS_CLOCK"] = str(skew)
        process.signal(signal.SIGTERM)
    cluster.wait_until_whole()
    wait(cluster.scaled(12))
    for process in victims:
        process.environment.pop("LIVEJOBS_CHAOS_CLOCK")
        process.signal(signal.SIGTERM)
    return len(victims)


# ---------------------------------------------------------------- the broker and the layer


def valkey_killed(cluster: Cluster, chance: random.Random) -> int:
    """Valkey killed for 3 s."""
    return _without_valkey(cluster, 3)


def valkey_away(cluster: Cluster, chance: random.Random) -> int:
    """Valkey killed for 60 s."""
    return _without_valkey(cluster, 60)


def valkey_hung(cluster: Cluster, chance: random.Random) -> int:
    """Valkey hung for 30 s."""
    cluster.valkey.freeze()
    wait(cluster.scaled(30))
    cluster.valkey.thaw()
    return 1


REFUSALS: Final = (
    (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    (("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory", "0")),
    (("ACL", "SETUSER", "default", "-lpush"), ("ACL", "SETUSER", "default", "+lpush")),
    (("ACL", "SETUSER", "default", "-brpop"), ("ACL", "SETUSER", "default", "+brpop")),
)


def broker_refuses(cluster: Cluster, chance: random.Random) -> int:
    """Valkey read-only, out of memory, without the right to push, and to take: 2 s each, as at a failover."""
    with cluster.valkey.client() as client:
        for change, undo in REFUSALS:
            client.execute_command(*change)
            wait(2.0)
            client.execute_command(*undo)
            wait(1.0)
    return len(REFUSALS)


def broker_emptied(cluster: Cluster, chance: random.Random) -> int:
    """FLUSHALL in mid-run, twice, with messages in the queue: the workers' parents take none for a moment."""
    lost = 0
    for _ in range(2):
        for worker in cluster.named("worker"):
            worker.signal(signal.SIGSTOP)
        wait(1.0)
        with cluster.valkey.client() as client:
            lost += int(client.llen("livejobs"))
        cluster.valkey.empty()
        for worker in cluster.named("worker"):
            worker.signal(signal.SIGCONT)
        wait(0.5)
    return lost


def layer_cut(cluster: Cluster, chance: random.Random) -> int:
    """The channel layer unreachable for 20 s."""
    cluster.layer.refused = True
    cluster.layer.reset()
    wait(cluster.scaled(20))
    cluster.layer.heal()
    return 1


def messages_doubled(cluster: Cluster, chance: random.Random) -> int:
    """Broker messages doubled."""
    return _mistreat_messages(cluster, "double")


def messages_mistreated(cluster: Cluster, chance: random.Random) -> int:
    """Broker messages doubled, shuffled, and every fifth dropped."""
    return _mistreat_messages(cluster, "double shuffle drop")


# ---------------------------------------------------------------- the network


def network_late(cluster: Cluster, chance: random.Random) -> int:
    """Every way 2 s late for 10 s."""
    for link in cluster.links:
        link.delay = 1.0  # there, and back
    wait(cluster.scaled(10))
    return _heal(cluster)


def network_reset(cluster: Cluster, chance: random.Random) -> int:
    """Every connection reset, three times."""
    for _ in range(3):
        for link in cluster.links:
            link.reset()
        wait(0.7)
    return 3 * len(cluster.links)


def network_half_open(cluster: Cluster, chance: random.Random) -> int:
    """Every connection half-open for 30 s: nothing arrives, nothing is closed."""
    for link in cluster.links:
        link.silent = True
    wait(cluster.scaled(30))
    return _heal(cluster)


def network_cut_in_mid_message(cluster: Cluster, chance: random.Random) -> int:
    """Every connection cut after n bytes, five times."""
    for _ in range(5):
        for link in cluster.links:
            link.cut_after(chance.randrange(1, 3000))
        wait(0.5)
    return _heal(cluster) * 5


def commit_reply_lost(cluster: Cluster, chance: random.Random) -> int:
    """The reply to a COMMIT lost, ten times."""
    before = cluster.line.lost_commits
    for number in range(1, 11):
        cluster.line.commits_to_lose = 1
        reached_in_time(lambda number=number: cluster.line.lost_commits >= before + number)  # type: ignore[misc]
        wait(0.2)
    cluster.line.heal()
    return cluster.line.lost_commits - before


# ---------------------------------------------------------------- the database


def postgresql_restarted(cluster: Cluster, chance: random.Random) -> int:
    """PostgreSQL restarted at once, as `pg_ctl restart -m immediate` does it."""
    assert cluster.postgres is not None
    cluster.postgres._end(signal.SIGQUIT)
    cluster.postgres.start()
    return 1


def database_away(cluster: Cluster, chance: random.Random) -> int:
    """PostgreSQL away for 60 s."""
    assert cluster.postgres is not None
    cluster.postgres.stop()
    wait(cluster.scaled(60))
    cluster.postgres.start()
    return 1


def database_locked(cluster: Cluster, chance: random.Random) -> int:
    """A writer that holds SQLite's lock for 10 s."""
    with closing(sqlite3.connect(cluster.sqlite, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait(10)  # not scaled: it is SQLite's own patience that is tested, which is in seconds of people
        other.execute("ROLLBACK")
    return 1


def disk_full(cluster: Cluster, chance: random.Random) -> int:
    """The disk of the database full for 10 s: a file takes what is left of a small file system."""
    filler = cluster.sqlite.parent / "filler"
    done = subprocess.run(
        ["dd", "if=/dev/zero", f"of={filler}", "bs=4096"], capture_output=True, text=True, check=False
    )
    assert "No space left" in done.stderr, done.stderr
    wait(cluster.scaled(10))
    filler.unlink()
    return 1


# In this order: the first half has lists shorter than a page of fifty and a little longer, and from `burst` and
# `reconnect_long_list` on there are lists longer than every bound (a thousand rows and more below them) beside such of
# pages that were opened anew (`run.Run.perform`). At the short level one seed has the one of the two, one the other.
FAULTS: Final = (
    Fault("calm", calm, untouched=True, cancel=0.0, transaction=True, most=60),
    Fault("child_killed", child_killed),
    Fault("child_killed_while_cancelled", children_killed_at_random, kinds=(("swallows", {}),), cancel=1.0, most=24),
    Fault("runner_killed", runner_killed, kinds=(("sturdy", {"count": 20, "seconds": 1.0}), *MIXTURE)),
    Fault("agent_frozen", agent_frozen, kinds=LONG, cancel=0.0, most=40),
    Fault("worker_killed", worker_killed),
    Fault("web_killed", web_killed),
    Fault("maintain_killed", maintain_killed),
    Fault("worker_frozen", worker_frozen, kinds=LONG, cancel=0.0, most=40),
    Fault("worker_frozen_late", worker_frozen_late, kinds=LONGER, cancel=0.0, most=8, levels=("full", "soak")),
    Fault("rolling_sigterm", rolling_sigterm, levels=("short",)),
    Fault("rolling_sigterm_ten_times", rolling_sigterm_ten_times, levels=("full", "soak")),
    Fault("clock_off", clock_off),
    Fault("valkey_killed", valkey_killed),
    Fault("valkey_away", valkey_away),
    Fault("valkey_hung", valkey_hung),
    Fault("broker_refuses", broker_refuses),
    Fault("broker_emptied", broker_emptied, kinds=(*MIXTURE, *LONG), cancel=0.0, most=100),
    Fault("layer_cut", layer_cut),
    Fault("burst", calm, screen_faults.burst, twice=True),
    Fault("reconnect_long_list", calm, screen_faults.reconnect_long_list, screen_faults.have_long_lists, twice=True),
    Fault("messages_doubled", messages_doubled),
    Fault("messages_mistreated", messages_mistreated),
    Fault("network_late", network_late),
    Fault("network_reset", network_reset),
    Fault("network_half_open", network_half_open),
    Fault("network_cut", network_cut_in_mid_message),
    Fault("commit_reply_lost", commit_reply_lost, databases=("postgresql",)),
    Fault("postgresql_restarted", postgresql_restarted, databases=("postgresql",)),
    Fault("database_away", database_away, databases=("postgresql",)),
    Fault("database_locked", database_locked, databases=("sqlite",)),
    Fault("disk_full", disk_full, databases=("sqlite",)),
    Fault("slow_transaction", calm, untouched=True, transaction=True, cancel=0.0, levels=()),
    Fault("screens_dropped", calm, screen_faults.screens_dropped),
    Fault("older_then_reconnect", calm, screen_faults.older_then_reconnect, twice=True),
    Fault("page_hidden_frozen_thawed", calm, screen_faults.page_hidden_frozen_thawed, kinds=LONG, most=40, twice=True),
    Fault("child_out_of_memory", calm, kinds=(("hungry", {}), *MIXTURE)),
    Fault("child_stuck_in_c", calm, kinds=(("stuck_in_c", {"seconds": 8.0}), *MIXTURE, *MIXTURE)),
    Fault("job_kills_its_child", calm, kinds=(("poison", {}), *MIXTURE)),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}


def reached_in_time(condition: Callable[[], bool]) -> None:
    """Wait until a point was reached; jobs may be over, and then it never is."""
    try:
        wait_for(condition, REACHED_SECONDS)
    except AssertionError:
        return


def busiest(cluster: Cluster) -> Process:
    """The worker that has the most jobs at hand."""
    from livejobs.models import Job

    owners = {int((job.worker or ":0").rsplit(":", 1)[1]) for job in Job.objects.running()}
    return max(cluster.named("worker"), key=lambda process: len(owners & set(cluster.agents(process))))


def kill(pid: int) -> None:
    """Kill -9 of one process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _roll(cluster: Cluster, chance: random.Random, times: int) -> int:
    for _ in range(times):
        order = list(cluster.processes)
        chance.shuffle(order)
        for process in order:
            _restart(cluster, process)
    return times * len(cluster.processes)


def _restart(cluster: Cluster, process: Process) -> None:
    restarts = process.restarts
    process.signal(signal.SIGTERM)
    wait_for(lambda: process.restarts > restarts and process.is_up(), 30, f"the restart of {process.name}")


def _without_valkey(cluster: Cluster, seconds: float) -> int:
    cluster.valkey.kill()
    wait(cluster.scaled(seconds))
    cluster.valkey.start()
    return 1


def _mistreat_messages(cluster: Cluster, how: str) -> int:
    file = Path(cluster.folder / "fail" / "messages")
    file.write_text(how)
    wait(cluster.scaled(16))
    file.unlink()
    return 1


def _heal(cluster: Cluster) -> int:
    for link in cluster.links:
        link.heal()
    return len(cluster.links)
