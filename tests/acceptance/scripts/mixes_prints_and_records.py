"""Prints, records and programs keep their order, and records their levels."""

import logging
import os
import sys

from livejobs import current_job, live_job

log = logging.getLogger(__name__)


@live_job
def mixes():
    print("1 print")
    log.info("2 info")
    print("3 stderr", file=sys.stderr)
    log.warning("4 warning")
    current_job().log("5 job", level="error")
    os.write(1, b"6 write\n")
    logging.critical("7 critical")
    print("8 begun", end="")
    print(", ended")
    current_job().log("9 job")


EXPECT = {
    "log": [
        "1 print",
        "2 info",
        "3 stderr",
        "4 warning",
        "5 job",
        "6 write",
        "7 critical",
        "8 begun, ended",
        "9 job",
    ],
    "levels": {
        "1 print": "info",
        "2 info": "info",
        "3 stderr": "stderr",
        "4 warning": "warning",
        "5 job": "error",
        "6 write": "info",
        "7 critical": "critical",
        "8 begun, ended": "info",
        "9 job": "info",
    },
}
