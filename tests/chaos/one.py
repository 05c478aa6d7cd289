"""One run in a process of its own, because Django is set up once: `python -m tests.chaos.one FILE` reads what to do
from a JSON file and writes what it found back into it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos.cluster import Cluster, Size
from tests.chaos.faults import BY_NAME
from tests.chaos.report import Row

DISK_MEGABYTES: Final = 96


@dataclass
class Order:
    """What one run is to do."""

    database: str
    scale: float
    seed: int
    faults: list[str]
    jobs: int  # of each fault
    observers: int
    defect: str = ""
    patience: float = 60.0  # seconds from the heal to the last finish
    browsers: int = 3
    burst: int = 3_000  # jobs that are started as fast as can be
    size: dict[str, Any] = field(default_factory=dict)


def run(order: Order) -> list[Row]:
    """Do it in a process of its own; what it wrote stays when something was violated."""
    folder = Path(tempfile.mkdtemp(prefix="ljc-"))
    file = folder.with_suffix(".json")
    file.write_text(json.dumps(asdict(order)))
    try:
        _wait_for(subprocess.Popen([sys.executable, "-m", "tests.chaos.one", str(file), str(folder)]))
        rows = [Row(**row) for row in json.loads(file.read_text())]
    finally:
        file.unlink()
    if not any(row.violations for row in rows):
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end; whoever does not want to wait any longer lets it clear away what it started."""
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if code:
        raise RuntimeError(f"The run ended with {code}; what it said is above.")


def main(file: Path, folder: Path) -> None:
    """Do what the file says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every `finally`
    order = Order(**json.loads(file.read_text()))
    faults = order.faults
    disk = Disk(folder / "database") if "disk_full" in faults else None
    if disk is not None and not disk.mounted:
        say(f"disk_full is NOT RUN: a small file system cannot be mounted here ({disk.why})")
        faults = [name for name in faults if name != "disk_full"]
    cluster = Cluster(folder, order.database, order.scale, Size(**order.size), order.defect)
    try:
        cluster.start()
        rows = _people(cluster, order, faults)
    finally:
        cluster.stop()
        if disk is not None:
            disk.unmount()
    file.write_text(json.dumps([asdict(row) for row in rows]))


def _people(cluster: Cluster, order: Order, faults: list[str]) -> list[Row]:
    from tests.chaos.browsers import chromium
    from tests.chaos.run import Amount, Run, run_faults  # only now there are settings for the tables

    if not chromium():
        say("browsers are NOT LOOKED AT: there is no Chromium here")
        order.browsers = 0
    run = Run(
        cluster, Amount(order.jobs, order.observers, order.browsers, order.burst, patience=order.patience), order.seed
    )
    try:
        run.open()
        return run_faults(run, [BY_NAME[name] for name in faults], say)
    finally:
        run.close()


def say(line: str) -> None:
    """Tell whoever waits."""
    print(line, flush=True)


class Disk:
    """A small file system for the database, so that it can be full; needs root and Linux."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            self.mounted, self.why = False, str(error)
        else:
            self.mounted, self.why = done.returncode == 0, done.stderr.strip()

    def unmount(self) -> None:
        """Give the file system back."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
