"""Variables that a job sets, changes and deletes are as they were for the next one, and for what that one starts."""

import os
import subprocess

from livejobs import live_job

PATH = os.environ["PATH"]


@live_job
def sets_variables():
    os.environ["API_KEY"] = "secret"
    os.environ["PATH"] = "/nowhere"
    del os.environ["PYTHONUNBUFFERED"]


@live_job
def reads_variables():
    shown = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    return [
        os.environ.get("API_KEY"),
        os.environ["PATH"] == PATH,
        "PYTHONUNBUFFERED" in os.environ,
        "API_KEY" in shown,
    ]


STEPS = [
    ("sets_variables", {}, {}),
    ("reads_variables", {}, {"result": [None, True, True, False]}),
]
