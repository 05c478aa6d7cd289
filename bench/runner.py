"""What a process of its own costs a job: one attempt of a function that does nothing, warm; a new runner; a death.

In a fresh process (`_runner.py`), because a zygote is forked before any thread. Its peer is the function called where
the agent is, as it was before there were runners.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def run() -> dict[str, float]:
    """Measure."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = Path(__file__).with_name("_runner.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    measures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measures
