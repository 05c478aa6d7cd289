"""What a fault that is done to the screens has at hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.chaos.cluster import Cluster
from tests.chaos.load import Plan

if TYPE_CHECKING:  # needs the tables, and faults are named before there are settings
    from tests.chaos.screens import Screens

LOAD_SECONDS: Final = 200.0


@dataclass
class Stage:
    """The cluster, the screens, and people who start jobs.

    :param chance: what the seed decides.
    :param burst: how many jobs a burst has.
    :param slow: whether each snapshot is slow, so that events come while it is under way.
    :param begin: starts these jobs over so many seconds.
    :param begin_at_once: starts so many of the shortest jobs as fast as they are taken.
    """

    cluster: Cluster
    screens: Screens
    chance: random.Random
    burst: int
    slow: bool
    begin: Callable[[Sequence[Plan], float], Future[None]]
    begin_at_once: Callable[[int], Future[None]]
    loads: list[Future[None]] = field(default_factory=list)

    def start(self, plans: Sequence[Plan], seconds: float) -> None:
        """Start these jobs over so many seconds, beside what follows."""
        self.loads.append(self.begin(plans, seconds))

    def start_at_once(self, count: int) -> Future[None]:
        """Start so many of the shortest jobs as fast as they are taken, beside what follows."""
        self.loads.append(self.begin_at_once(count))
        return self.loads[-1]

    def await_loads(self) -> None:
        """Wait until every job was accepted."""
        for load in self.loads:
            load.result(LOAD_SECONDS)
