"""asyncio starts programs, and their output is in the log."""

import asyncio

from livejobs import live_job


async def run():
    process = await asyncio.create_subprocess_exec("sh", "-c", "echo shown; exit 4")
    caught = await asyncio.create_subprocess_exec("echo", "caught", stdout=asyncio.subprocess.PIPE)
    out, _ = await caught.communicate()
    return [await process.wait(), out.decode()]


@live_job
def runs_programs():
    return asyncio.run(run())


STEPS = [
    ("runs_programs", {}, {"result": [4, "caught\n"], "log": ["shown"], "leaves_nothing": True}),
    ("runs_programs", {}, {"result": [4, "caught\n"], "log": ["shown"]}),
]
