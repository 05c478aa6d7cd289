"""Every screen of a run: pages under Node and real browsers, all of one person, held against the database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from livejobs.protocol import LIST_DEFAULT
from tests.chaos.browsers import Browsers
from tests.chaos.cluster import Cluster
from tests.chaos.pages import Look, Pages, gathered
from tests.chaos.truth import Person


class Screens:
    """What people look at."""

    def __init__(self, cluster: Cluster, cookie: str, pages: int, browsers: int) -> None:
        self.pages = Pages(pages, cookie, cluster.ports, cluster.static, cluster.folder)
        self.browsers = Browsers(browsers, cookie, cluster.ports)
        self.person = Person(cookie)
        self.least = LIST_DEFAULT  # rows that each shows at least, where there are as many
        self.rows: list[int] = []  # that each showed at the last look
        self._file: Final = Path(cluster.folder / "truth.json")

    def open(self) -> None:
        """Open every page."""
        self.pages.open()
        self.browsers.open()

    def close(self) -> None:
        """Close every page."""
        self.pages.close()
        self.browsers.close()

    def reopen(self) -> None:
        """Open every page anew: each shows the newest fifty rows again."""
        for number in range(len(self.pages.observers)):
            self.pages.reopen(number)
        self.browsers.reopen()

    def drop(self) -> int:
        """Lose every connection; says how many there were."""
        return self.pages.drop() + self.browsers.drop()

    def older(self, until: int) -> None:
        """Load older jobs on every page until there are so many rows."""
        answers = self.pages.older(until)
        self.browsers.older(until)
        gathered(answers)

    def wrong(self) -> list[str]:
        """What is shown and is not so, or is so and not shown; a sentence each."""
        look = self._look()
        if look.untold:  # a list that was paged down, or a job that is no more
            look = self._look(look.untold)
        self.rows = look.rows
        return look.found + [f"job {job_id} is shown, and there is none" for job_id in sorted(look.untold)]

    def ports(self) -> list[int]:
        """The ports of the web processes at the other ends of the connections."""
        return self.pages.ports() + self.browsers.ports()

    def _look(self, beside: set[int] | frozenset[int] = frozenset()) -> Look:
        truth = self.person.truth(self.pages.watched, beside, self.least)
        truth.write(self._file)
        look = self.pages.look(self._file)
        look.add(self.browsers.look(truth))
        return look
