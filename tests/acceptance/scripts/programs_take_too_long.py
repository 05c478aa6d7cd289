"""A time limit holds while a program runs, and the program ends with it."""

import subprocess

from livejobs import live_job


@live_job(timeout=1)
def waits_too_long():
    subprocess.run(["sleep", "60"], check=True)


EXPECT = {"state": "failed", "error": {"reason": "timeout"}, "takes": [0.9, 2.2], "leaves_nothing": True}
