"""The root logger is what the job's own code made of it, whatever the machinery set up for itself."""

from __future__ import annotations

import logging
import subprocess
import sys

from livejobs.runner import output, root_logging
from tests.support.forks import in_a_fork


@in_a_fork
def test_logging_is_as_the_hosts_own_code_left_it_not_as_celery_did():
    root, own = logging.getLogger(), logging.NullHandler()
    root.addHandler(own)
    root.setLevel(logging.DEBUG)
    before = list(root.handlers)
    root_logging.remember()
    root.handlers[:] = [logging.StreamHandler()]
    root.setLevel(logging.ERROR)
    root_logging.remember()  # the first time counts
    output.prepare()
    assert isinstance(root.handlers.pop(), output.RecordHandler)
    assert (root.handlers, root.level) == (before, logging.DEBUG)


@in_a_fork
def test_what_nobody_remembered_stays():
    root = logging.getLogger()
    root.setLevel(logging.ERROR)
    root_logging._left.clear()
    root_logging.restore()
    assert root.level == logging.ERROR


def test_a_file_of_jobs_is_loaded_without_django():
    look = "import sys, livejobs.runner.root_logging; print({'django', 'celery'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
