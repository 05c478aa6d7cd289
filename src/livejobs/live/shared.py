"""One read for all who wait for the same: after a deploy every page asks for all its rows at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Reads that wait for their turn. Whoever asks for the same as one that has not begun is served by that one.

    So every answer was read after it was asked for, as if each had read for itself.

    :param at_once: so many may be under way.
    """

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._waiting: dict[Hashable, asyncio.Task[T]] = {}
        self._reading: dict[Hashable, asyncio.Task[T]] = {}
        self._under_way: set[asyncio.Task[T]] = set()

    async def read(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Read, or take what somebody else's read brings that begins later than this call.

        :param key: says what is read: who has an equal one is given the same answer, or the same error.
        """
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._in_turn(key, read))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        return await asyncio.shield(task)  # one that goes away must not take the others' answer with it

    def close(self) -> None:
        """Begin no more reads; nobody waits for them any longer."""
        for task in tuple(self._under_way):
            task.cancel()

    async def _in_turn(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Read when it is this one's turn, and never beside another read of the same: who comes meanwhile joins it."""
        task = self._waiting[key]
        try:
            if (earlier := self._reading.get(key)) is not None:
                await asyncio.wait([earlier])
            await self._turns.acquire()
        finally:
            del self._waiting[key]
        self._reading[key] = task
        try:
            return await read()
        finally:
            del self._reading[key]
            self._turns.release()

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; where nobody did, nobody misses it
