"""A file handler of the module writes its file, in every job."""

import logging
from pathlib import Path

from livejobs import live_job

FILE = Path("orders.log").absolute()
log = logging.getLogger("to.a.file")
log.setLevel(logging.DEBUG)
log.addHandler(logging.FileHandler(FILE))


@live_job
def logs_to_the_file(text: str):
    log.debug(text)
    return FILE.read_text().splitlines()


STEPS = [
    ("logs_to_the_file", {"text": "bread"}, {"result": ["bread"]}),
    ("logs_to_the_file", {"text": "butter"}, {"result": ["bread", "butter"]}),
]
