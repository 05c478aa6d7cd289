"""How long a start takes until it is acknowledged over the WebSocket, with Valkey up, away, and hung.

The peer is the same in the same run: Valkey up. On PostgreSQL, one web process, four starters side by side.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile


def run() -> dict[str, float]:
    """Measure, in a process of its own, because Django is set up once."""
    with tempfile.TemporaryDirectory(prefix="ljb-") as folder:
        command = [sys.executable, "-m", "bench._accept", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    measures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measures
