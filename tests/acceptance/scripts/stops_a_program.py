"""A job that waits for a program is cancelled within a second, and so is the program with its own children."""

import subprocess

from livejobs import live_job


@live_job
def waits_for_a_program():
    subprocess.run("echo waiting; sleep 60 & sleep 61", shell=True, check=True)


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "leaves_nothing": True}
