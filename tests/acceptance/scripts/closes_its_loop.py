"""An event loop that a job closed is not found by the next."""

import asyncio

from livejobs import live_job


@live_job
def closes_the_loop():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


async def number():
    await asyncio.sleep(0)
    return 7


@live_job
def uses_the_loop():
    return asyncio.get_event_loop_policy().new_event_loop().run_until_complete(number()) + asyncio.run(number())


STEPS = [("closes_the_loop", {}, {}), ("uses_the_loop", {}, {"result": 14})]
