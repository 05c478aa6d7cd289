"""A program that is started and not waited for writes into the log while the job lasts."""

import subprocess
import time

from livejobs import live_job


@live_job
def starts_and_goes_on():
    subprocess.Popen(["sh", "-c", "echo from the program"])
    time.sleep(0.5)
    print("from the job")


EXPECT = {"log": ["from the program", "from the job"], "leaves_nothing": True}
