"""os.closerange, as daemons do it, ends neither the job nor the next one."""

import logging
import os
import tempfile

from livejobs import live_job


@live_job
def closes_them():
    print("before")
    os.closerange(3, 256)
    print("after")
    return "closed"


@live_job
def opens_others_then(folder: str = "."):
    os.closerange(3, 256)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        files = [open(os.path.join(place, str(number)), "w") for number in range(20)]
        logging.warning("a record")
        for file in files:
            file.close()
        return [os.path.getsize(file.name) for file in files] == [0] * 20


@live_job
def opens_one():
    with open(os.devnull) as file:
        return file.read()


STEPS = [
    ("closes_them", {}, {"log": ["before", "after"], "result": "closed"}),
    ("opens_others_then", {}, {"log": ["a record"], "result": True}),
    ("opens_one", {}, {"result": ""}),
]
