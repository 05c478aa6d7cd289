"""One read for all who wait for the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from livejobs.live.shared import SharedReads


class Source:
    """Reads that last until they are let go; each brings its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.failing = False

    async def read(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        if self.failing:
            raise ValueError
        return number


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def asking(reads: SharedReads[int], key: object, read: Callable[[], Awaitable[int]]) -> asyncio.Task[int]:
    return asyncio.create_task(reads.read(key, read))


async def test_who_asks_while_a_read_is_under_way_is_not_served_by_it():
    reads, source = SharedReads[int](2), Source()
    first = asking(reads, "mine", source.read)
    await settle()
    later = [asking(reads, "mine", source.read) for _ in range(5)]
    await settle()
    assert source.begun == 1  # never beside another read of the same, though there is a turn left
    source.go_on.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 5


async def test_whoever_waits_for_the_same_shares_one_read_and_others_do_not():
    reads, source = SharedReads[int](1), Source()
    first = asking(reads, "first", source.read)
    await settle()
    mine = [asking(reads, "mine", source.read) for _ in range(3)]
    others = [asking(reads, "others", source.read) for _ in range(3)]
    await settle()
    assert source.begun == 1  # no more than one at once
    source.go_on.set()
    assert await first == 1
    assert await asyncio.gather(*mine) == [2] * 3
    assert await asyncio.gather(*others) == [3] * 3


async def test_a_read_that_fails_fails_for_all_who_share_it_and_for_nobody_else():
    reads, source = SharedReads[int](1), Source()
    asked = [asking(reads, "mine", source.read) for _ in range(2)]
    await settle()
    source.failing = True
    source.go_on.set()
    assert [type(each) for each in await asyncio.gather(*asked, return_exceptions=True)] == [ValueError] * 2
    source.failing = False
    assert await reads.read("mine", source.read) == 2


async def test_one_that_goes_away_leaves_the_others_their_answer():
    reads, source = SharedReads[int](1), Source()
    goes, stays = asking(reads, "mine", source.read), asking(reads, "mine", source.read)
    await settle()
    goes.cancel()
    await settle()
    source.go_on.set()
    assert await stays == 1
    assert goes.cancelled()


async def test_one_that_goes_away_alone_gives_its_turn_back():
    reads, source = SharedReads[int](1), Source()
    goes = asking(reads, "mine", source.read)
    await settle()
    goes.cancel()
    source.failing = True  # and nobody hears of it
    source.go_on.set()
    await settle()
    source.failing = False
    assert await reads.read("mine", source.read) == 2


async def test_closed_it_reads_no_more():
    reads, source = SharedReads[int](1), Source()
    asked = [asking(reads, key, source.read) for key in ("under way", "waiting")]
    await settle()
    reads.close()
    for each in asked:
        with pytest.raises(asyncio.CancelledError):
            await each
    assert source.begun == 1
