"""A program gets sys.stdout and sys.stderr as its own."""

import subprocess
import sys

from livejobs import live_job


@live_job
def gives_streams():
    print("before")
    subprocess.run(["sh", "-c", "echo out; echo err >&2"], stdout=sys.stdout, stderr=sys.stderr, check=True)
    subprocess.run(["sh", "-c", "echo both >&2"], stderr=subprocess.STDOUT, check=True)
    print("after")


EXPECT = {"log": ["before", "out", "err", "both", "after"]}
