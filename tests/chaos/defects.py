"""Deliberate defects: each removes every layer of one promise, and the suite must fail for it.

They wrap the product from outside, in every process of a run, by the variable LIVEJOBS_CHAOS_DEFECT; those of the page
are edits of a copy of its scripts (`scripts`). None of this is in the product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from livejobs.states import FINISHED, EdgeName
from tests.chaos.scripts import Edit


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect, what is done to the cluster to show it, and the checks of which one must find it.

    :param edits: of the page's scripts.
    """

    install: Callable[[], None]
    faults: tuple[str, ...]
    caught_by: tuple[str, ...]
    jobs: int = 12
    edits: tuple[Edit, ...] = ()


def no_fence() -> None:
    """An attempt writes whoever holds the lease now; nothing tells it that the lease is lost."""
    from livejobs import leases, transitions
    from livejobs.models import Job

    _deaf_to_a_lost_lease()
    move = transitions._move

    def unfenced(job_id: int, edge: Any, *, lease: Any = None, where: Any = None, **values: Any) -> Any:
        if lease is None:
            return move(job_id, edge, where=where, **values)
        actor = values.pop("actor", lease.owner)
        guard = Q(state__in=edge.sources) & (where or Q())
        values = {**transitions._implied(edge), **values}
        return transitions._update(job_id, edge.name, where=guard, actor=actor, state=edge.target.value, **values)

    transitions._move = unfenced
    leases._held = lambda lease: Job.objects.filter(id=lease.job_id, state="running")


def no_dispatcher() -> None:
    """What was not published, or was lost, is never published again."""
    from livejobs.maintenance.dispatcher import Dispatcher

    Dispatcher.round = lambda self: 0  # type: ignore[method-assign]


def blind_claim() -> None:
    """A claim takes the job whatever its state."""
    from livejobs import transitions

    def claim(job_id: int, *, owner: str, task: str) -> Any:
        return transitions._update(
            job_id, EdgeName.CLAIM, where=Q(task=task), actor=owner, state="running", attempt=F("attempt") + 1,
            lease_owner=owner, beat=0, started_at=Now(), finished_at=None,
        )  # fmt: skip

    transitions.claim = claim


def forgotten_cancel() -> None:
    """A job that comes back from its worker is queued and claimed, cancelled or not; its worker hears of no cancel."""
    from livejobs import transitions
    from livejobs.worker import attempt_supervisor

    transitions._WANTED = Q()  # type: ignore[misc]
    move = transitions._move

    def claim(job_id: int, *, owner: str, task: str) -> Any:
        from livejobs.states import CLAIM

        return move(
            job_id, CLAIM, where=Q(task=task), actor=owner, attempt=F("attempt") + 1, lease_owner=owner, beat=0,
            started_at=Now(), finished_at=None, stopping_at=None, stopping_reason="",
        )  # fmt: skip

    transitions.claim = claim
    attempt_supervisor.AttemptSupervisor.stop = lambda self, reason: None  # type: ignore[method-assign]


def no_healing() -> None:
    """Screens know what was broadcast while they listened, and nothing else."""
    from livejobs.live import answers, requests
    from livejobs.live.hub import Hub

    async def heal(self: Any) -> None:
        self._heal_now.clear()

    Hub._heal = heal  # type: ignore[method-assign]
    one_job = answers._one_job

    def stale_job(person: Any, watch: Any) -> Any:
        found = one_job(person, watch)
        return replace(found, job={**found.job, "version": 0, "state": "queued"}, lines=[])

    answers.read_list = lambda listing: requests.Jobs([], more=False, just_finished=frozenset())
    answers._one_job = stale_job
    answers._lines = lambda job_id, after: []


def early_publish() -> None:
    """The broker is told before the commit, and what a worker did not find then is not looked for again soon."""
    from livejobs import transitions
    from livejobs.hints import broadcast, publishing
    from livejobs.maintenance.dispatcher import Dispatcher

    def tell(job: Any, edge: Any) -> None:
        transaction.on_commit(lambda: broadcast.announce(job, edge), robust=True)
        if job.state == "queued" and job.published_at is not None:
            publishing.submit(job)

    transitions._tell = tell
    Dispatcher._probe = lambda self: None  # type: ignore[method-assign]


def unguarded_finish() -> None:
    """A finish is written whatever the state, and whoever holds the lease."""
    from livejobs import transitions

    _deaf_to_a_lost_lease()

    leave = transitions._leave

    def finish(lease: Any, edge: Any, **values: Any) -> Any:
        if edge.target not in FINISHED:
            return leave(lease, edge, **values)
        return transitions._update(
            lease.job_id, edge.name, where=Q(), actor=lease.owner, state=edge.target.value, finished_at=Now(), **values
        )

    transitions._leave = finish


def unfenced_log() -> None:
    """A batch of log lines is stored whoever holds the lease, behind whatever is there."""
    from livejobs import leases
    from livejobs.models import Job, JobLog

    _deaf_to_a_lost_lease()

    def append_log(lease: Any, lines: Any, after: Any = None) -> bool:
        with transaction.atomic():
            Job.objects.filter(id=lease.job_id).update(log_seq=F("log_seq") + len(lines))
            last = Job.objects.values_list("log_seq", flat=True).get(id=lease.job_id)
            JobLog.objects.bulk_create(
                JobLog(
                    job_id=lease.job_id, attempt=lease.attempt, seq=last - len(lines) + number,
                    at=line.at, level=line.level, text=line.text,
                )
                for number, line in enumerate(lines, 1)
            )  # fmt: skip
        return True

    leases.append_log = append_log


def silent_narrowing() -> None:
    """A list that has become too long is live for its newest rows only, and nobody is told."""
    from livejobs.live.session import Session

    Session.narrowed = lambda self, watching, dropped: None  # type: ignore[method-assign]


def nothing() -> None:
    """The defect is in the page's scripts."""


# After a reconnect the page asks for the newest rows only, and those below them stay as they were.
ROWS_BELOW_KEPT: Final = (
    Edit("list.js", "this.#goal = ids.at(-1) ?? Infinity;", "this.#goal = Infinity;"),
    Edit("store.js", "for (const id of this.#jobs.keys()) if (!this.#covers(id)) this.#remove(id);", ""),
)
# After a reconnect the second of several watches is forgotten.
WATCH_NOT_RENEWED: Final = (
    Edit("socket.js", "const [id, what] of this.watches)", "const [id, what] of [...this.watches].toSpliced(1, 1))"),
)

DEFECTS: Final[dict[str, Defect]] = {
    "no_fence": Defect(no_fence, ("worker_frozen_late",), ("history",), jobs=4),
    "no_dispatcher": Defect(no_dispatcher, ("broker_emptied",), ("finished",)),
    "blind_claim": Defect(blind_claim, ("messages_doubled",), ("history", "ledger")),
    "forgotten_cancel": Defect(forgotten_cancel, ("child_killed_while_cancelled",), ("history", "cancel")),
    "no_healing": Defect(no_healing, ("layer_cut",), ("views",)),
    "early_publish": Defect(early_publish, ("slow_transaction",), ("claimed", "finished")),
    "unguarded_finish": Defect(unguarded_finish, ("worker_frozen_late",), ("history",), jobs=4),
    "unfenced_log": Defect(unfenced_log, ("worker_frozen_late",), ("log",), jobs=4),
    "rows_below_kept": Defect(nothing, ("reconnect_long_list",), ("views",), edits=ROWS_BELOW_KEPT),
    "silent_narrowing": Defect(silent_narrowing, ("burst",), ("views",)),
    "watch_not_renewed": Defect(nothing, ("screens_dropped",), ("views",), edits=WATCH_NOT_RENEWED),
}
NAMES: Final = tuple(DEFECTS)


def install(name: str) -> None:
    """Build a defect into this process; none where the name is empty."""
    if name:
        DEFECTS[name].install()


def _deaf_to_a_lost_lease() -> None:
    """Nothing stops an attempt that lost its lease: no renewal that finds nothing, no end of it after a freeze."""
    from livejobs.runner.zygote import Zygote
    from livejobs.worker import attempt_supervisor
    from livejobs.worker.agent import Agent

    renewed = attempt_supervisor.AttemptSupervisor._renewed
    attempt_supervisor.AttemptSupervisor._renewed = lambda self, renewal: renewed(self, renewal) if renewal else None  # type: ignore[method-assign]
    Zygote._look_after_agent = lambda self: None  # type: ignore[method-assign]
    Agent._stood_still = lambda self, now: None  # type: ignore[method-assign]
