"""A coroutine is cancelled, and its finally is awaited."""

import asyncio

from livejobs import live_job


async def wait():
    print("waiting")
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.1)
        print("cleaned up")


@live_job
def awaits():
    asyncio.run(wait())


EXPECT = {
    "state": "cancelled",
    "cancel_when": "waiting",
    "ends_within": 1,
    "log": ["waiting", "cleaned up"],
}
