"""Every live job a process knows, by name, and what was refused; who wants to hear of jobs subscribes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from livejobs.definition.live_job import LiveJob
from livejobs.definition.signature import place, refuse
from livejobs.errors import DefinitionError


class Registry:
    """Every live job this process knows, by name."""

    def __init__(self) -> None:
        self.short_names = False  # True under `livejobs up`: a job is named as its function
        # True under `livejobs up`: a function that cannot be a job stays one, and does not end the import of the others
        self.keeps_refusals = False
        self.refusals: list[str] = []  # each says where the function is, its name, and why
        self._jobs: dict[str, LiveJob[..., Any]] = {}
        self._subscribers: list[Callable[[LiveJob[..., Any]], object]] = []

    def register(self, job: LiveJob[..., Any]) -> None:
        """Add a job. The same function again takes the place of the first.

        :raises DefinitionError: another function has this name.
        """
        known = self._jobs.get(job.name)
        # under `livejobs up` no module is reloaded: a second `def` of that name in the file would silently win
        if known is not None and not _same_function(known.func, job.func, reloads=not self.short_names):
            raise refuse(job.func, f"there is another job named {job.name}, at {place(known.func)}; rename one of them")
        self._jobs[job.name] = job
        for callback in tuple(self._subscribers):
            callback(job)

    def refuse(self, error: DefinitionError) -> None:
        """Note that a function cannot be a job; in a host's project that is an exception.

        :raises DefinitionError: the error itself, where refusals are not kept.
        """
        if not self.keeps_refusals:
            raise error
        if error.message not in self.refusals:  # a file that runs as a script, and is imported
            self.refusals.append(error.message)

    def get(self, name: str) -> LiveJob[..., Any] | None:
        """The job of this name, or None."""
        return self._jobs.get(name)

    def queues(self, default: str) -> set[str]:
        """Every queue that a job may wait in: the default one, and those that jobs name."""
        return {default, *(job.options.queue for job in self if job.options.queue)}

    def subscribe(self, callback: Callable[[LiveJob[..., Any]], object]) -> None:
        """Call back with every job, those of now and those to come."""
        self._subscribers.append(callback)
        for job in self:
            callback(job)

    def __iter__(self) -> Iterator[LiveJob[..., Any]]:
        return iter(tuple(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)


def _same_function(one: Callable[..., Any], other: Callable[..., Any], *, reloads: bool) -> bool:
    """Whether both are one `def`: of one line (a file run as a script, then imported), or of a reloaded module."""
    reloaded = (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
    return (reloads and reloaded) or place(one) == place(other)


registry: Final = Registry()
