"""Processes of a job that crashed are gone, too."""

import multiprocessing
import os
import subprocess
import time

from livejobs import live_job


@live_job
def leaves_orphans():
    subprocess.Popen(["sleep", "300"])
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(300,)).start()
    os._exit(1)


EXPECT = {"state": "failed", "error": {"reason": "crashed"}, "leaves_nothing": True}
