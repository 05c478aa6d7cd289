"""Programs that a job leaves running end with it, those in a session of their own too."""

import subprocess
import sys

from livejobs import live_job


@live_job
def leaves_programs():
    for own in (False, True):
        subprocess.Popen(["sleep", "300"], start_new_session=own)
    daemon = "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  time.sleep(300)"
    subprocess.run([sys.executable, "-c", daemon], check=True)
    return "left"


@live_job
def leaves_one_and_fails():
    subprocess.Popen(["sleep", "300"])
    raise RuntimeError("no more")


STEPS = [
    ("leaves_programs", {}, {"result": "left", "leaves_nothing": True}),
    ("leaves_one_and_fails", {}, {"state": "failed", "error": {"message": "no more"}, "leaves_nothing": True}),
]
