"""What the processes below one use, as the system says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from livejobs.worker.resources import Use, of_all_below
from tests.support.waiting import wait_for

MEGABYTES_40 = "data = bytearray(40_000_000); print('there', flush=True); input()"
BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint('there', flush=True); input()"


@pytest.fixture
def below(request):
    """A process of ours whose child runs a script; its pid."""
    outer = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=False)"
    process = subprocess.Popen(
        [sys.executable, "-c", outer, request.param], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    yield process.pid
    process.communicate("\n", timeout=10)


@pytest.mark.parametrize("below", [MEGABYTES_40], indirect=True)
@pytest.mark.parametrize("shared", [False, True])
def test_memory_is_that_of_all_below_and_not_its_own(below, shared):
    assert 40_000_000 < of_all_below(below, shared=shared).memory < 120_000_000


@pytest.mark.parametrize("below", [BUSY], indirect=True)
def test_processor_time_is_counted_in_seconds(below):
    assert wait_for(lambda: of_all_below(below).cpu_seconds >= 0.25)  # in hundredths, cut
    assert of_all_below(below).cpu_seconds < 5


def test_below_one_that_is_not_there_is_nothing():
    assert of_all_below(2**22 - 1) == Use(0, 0)
