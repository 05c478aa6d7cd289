"""A job that changes the current folder leaves the next one where it always was."""

import os
import tempfile
from pathlib import Path

from livejobs import live_job

HOME = os.getcwd()


@live_job
def goes_to_root():
    os.chdir("/")
    return os.getcwd()


@live_job
def goes_where_nothing_stays():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)


@live_job
def writes_beside_the_file():
    Path("relative.txt").write_text("here")
    return [os.getcwd() == HOME, Path(HOME, "relative.txt").read_text()]


STEPS = [
    ("goes_to_root", {}, {"result": "/"}),
    ("writes_beside_the_file", {}, {"result": [True, "here"]}),
    ("goes_where_nothing_stays", {}, {}),
    ("writes_beside_the_file", {}, {"result": [True, "here"]}),
]
