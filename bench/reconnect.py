"""What it takes to come back: a page with a thousand rows, and two hundred of them at once, on both databases.

There is no peer: no other page of this kind shows a list that is live as a whole. The goal is 1.5 s for one page.
"""

from __future__ import annotations

import json
import subprocess
import sys


def run() -> dict[str, float]:
    """Measure each database in a process of its own, because Django is set up once."""
    found: dict[str, float] = {}
    for database in ("postgresql", "sqlite"):
        done = subprocess.run(
            [sys.executable, "-m", "bench._reconnect", database], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        found |= {f"{database}: {name}": value for name, value in json.loads(done.stdout.splitlines()[-1]).items()}
    return found
