"""The name that keeps servers on one Redis apart; in processes of its own, for the settings are read once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = "from livejobs.server.project import settings; print(settings.NAMESPACE)"
ELSEWHERE = "postgresql://livejobs@db:5432/livejobs"


def namespace(data: Path, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "LIVEJOBS_DATA": str(data), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_two_servers_differ_though_their_databases_have_one_address(tmp_path):
    """`db` in one network of containers is another than `db` in the next."""
    one = namespace(tmp_path / "one", DATABASE_URL=ELSEWHERE)
    assert len({one, namespace(tmp_path / "two", DATABASE_URL=ELSEWHERE), namespace(tmp_path / "one")}) == 3
    assert namespace(tmp_path / "one", DATABASE_URL=ELSEWHERE) == one


def test_processes_of_one_server_elsewhere_may_be_told_its_name(tmp_path):
    assert namespace(tmp_path / "other", LIVEJOBS_NAMESPACE="shop") == "shop"
