"""How the parts behind the page are: the `status` of the wire, read every few seconds while somebody looks."""

from __future__ import annotations

from livejobs.health.parts import broker_answers
from livejobs.hints.publishing import Publisher
from livejobs.protocol import QueueStatus


class BrokerWatch:
    """Asks the broker whether it is there, on a connection of its own with short bounds. One thread calls."""

    def __init__(self) -> None:
        self._publisher = Publisher()

    def is_up(self) -> bool:
        """Whether the broker answers; a host that runs its tasks inline needs none."""
        return broker_answers(self._publisher)

    def close(self) -> None:
        """Drop the connection."""
        self._publisher.close()


def queue_statuses(workers: dict[str, int], broker_up: bool) -> dict[str, QueueStatus]:
    """Put both together, as the wire says it."""
    return {queue: {"workers": count, "broker": "up" if broker_up else "down"} for queue, count in workers.items()}
