"""SIGCHLD ignored in one job does not turn the failures of the next one's programs into success."""

import signal
import subprocess

from livejobs import live_job


@live_job
def ignores_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@live_job
def runs_what_fails():
    return subprocess.run(["sh", "-c", "exit 3"], check=False).returncode


STEPS = [("ignores_children", {}, {}), ("runs_what_fails", {}, {"result": 3})]
