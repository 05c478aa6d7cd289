"""print, os.write, os.system and a program: all in the log, in the order in which a terminal would show them."""

import os
import subprocess

from livejobs import live_job


@live_job
def writes_all_ways():
    print("one")
    os.write(1, b"two\n")
    os.system("echo three; echo four >&2")
    subprocess.run(["echo", "five"], check=True)
    print("six")


EXPECT = {"log": ["one", "two", "three", "four", "five", "six"]}
