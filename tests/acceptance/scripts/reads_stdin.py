"""Standard input is empty, and a program that reads it goes on at once."""

import subprocess
import sys

from livejobs import live_job


@live_job
def reads():
    return [sys.stdin.read(), subprocess.run(["cat"], stdout=subprocess.PIPE, text=True, check=True).stdout]


EXPECT = {"result": ["", ""], "takes": [0, 2]}
