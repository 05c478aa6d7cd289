"""The lines of a program are in the log while it runs."""

import subprocess

from livejobs import live_job

WAIT = "echo line 1; while ! test -e shows_a_program_live.seen; do sleep 0.05; done; echo line 2"


@live_job
def runs_a_slow_program():
    subprocess.run(WAIT, shell=True, check=True)


EXPECT = {"live": "line 1", "log": ["line 1", "line 2"]}
