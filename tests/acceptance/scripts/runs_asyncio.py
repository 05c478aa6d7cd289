"""asyncio.run any number of times, in one job and in the next."""

import asyncio

from livejobs import current_job, live_job


async def work(number):
    await asyncio.sleep(0.01)
    print("step", number)
    current_job().progress(number, 3)
    return number


async def gathered():
    return await asyncio.gather(work(2), work(3))


@live_job
def runs_twice():
    return [asyncio.run(work(1)), asyncio.run(gathered())]


STEPS = [
    ("runs_twice", {}, {"result": [1, [2, 3]], "log": ["step 1", "step 2", "step 3"], "progress": [3, 3]}),
    ("runs_twice", {}, {"result": [1, [2, 3]], "log": ["step 1", "step 2", "step 3"]}),
]
