"""What is printed is in the log while the job runs, from Python programs that a job starts too."""

import subprocess
import sys
import time
from pathlib import Path

from livejobs import live_job

PROGRAM = """
import time, pathlib
print("from the program")
while not pathlib.Path("shows_prints_live.seen").exists():
    time.sleep(0.02)
"""


@live_job
def prints_and_waits():
    print("from the job")
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
    while not Path("shows_prints_live.seen").exists():
        time.sleep(0.02)


EXPECT = {"live": "from the program", "log": ["from the job", "from the program"]}
