"""`make bench`: run every scenario, or those named, and keep what they measured.

A scenario is one file of this folder with a function `run() -> dict[str, float]`: the name of each measure with its
unit, and the value. Peers (the same thing done without Livejobs) are measured in the same run, under their own names.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def scenarios() -> list[str]:
    """The scenarios there are, by name."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def machine() -> dict[str, Any]:
    """What a number depends on."""
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}


def main(names: list[str]) -> int:
    """Run scenarios and print their measures; the last run of each is kept as JSON in `bench/results`."""
    known = scenarios()
    if unknown := sorted(set(names) - set(known)):
        print(f"There is no scenario {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for name in names or known:
        measures: dict[str, float] = importlib.import_module(f"bench.{name}").run()
        print(name)
        for measure, value in measures.items():
            print(f"  {measure:<56} {value:>12,.3f}")
        kept = {"machine": machine(), "measures": measures}
        (results / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
