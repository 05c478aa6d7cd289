"""How the parts behind the page are: the `status` of the wire, read every few seconds while somebody looks."""

from __future__ import annotations

from livejobs import presence
from livejobs.conf import conf
from livejobs.definitions import registry
from livejobs.protocol import QueueStatus
from livejobs.publishing import Publisher, celery_app


def worker_counts() -> dict[str, int]:
    """How many worker children serve each queue, those that none serves included. Uses the database."""
    counts = presence.workers_by_queue()
    queues = {str(conf.QUEUE), *(job.queue for job in registry if job.queue), *counts}
    return {queue: counts[queue] for queue in sorted(queues)}


class BrokerWatch:
    """Asks the broker whether it is there, on a connection of its own with short bounds. One thread calls."""

    def __init__(self) -> None:
        self._publisher = Publisher()

    def is_up(self) -> bool:
        """Whether the broker answers; a host that runs its tasks inline needs none."""
        if celery_app().conf.task_always_eager:
            return True
        try:
            self._publisher.ping()
        except Exception:
            return False
        return True

    def close(self) -> None:
        """Drop the connection."""
        self._publisher.close()


def queue_statuses(workers: dict[str, int], broker_up: bool) -> dict[str, QueueStatus]:
    """Put both together, as the wire says it."""
    return {queue: {"workers": count, "broker": "up" if broker_up else "down"} for queue, count in workers.items()}
