"""Several lines that rich draws again and again are logged once; the first that is not full is the progress."""

import time
from pathlib import Path

from rich.live import Live
from rich.progress import Progress
from rich.table import Table

from livejobs import live_job


@live_job
def draws_two_tasks():
    with Progress() as progress:
        first, second = progress.add_task("first", total=10), progress.add_task("second", total=20)
        for number in range(20):
            progress.advance(first)
            progress.advance(second)
            if number == 12:
                print("printed")
            time.sleep(0.03)
    print("done")


@live_job
def shows_two_tasks():
    with Progress() as progress:
        progress.add_task("first", total=4, completed=1)
        progress.add_task("second", total=4, completed=2)
        while not Path("draws_with_rich_in_lines.seen").exists():
            time.sleep(0.05)


@live_job
def draws_a_table():
    with Live() as live:
        for number in range(4):
            table = Table("name", "count")
            for each in range(number):
                table.add_row("row", str(each))
            live.update(table)
            time.sleep(0.3)
    print("done")


STEPS = [
    (
        "draws_two_tasks",
        {},
        {
            "progress": [100, 100],
            "log": ["printed", {"re": "first .*100%.*"}, {"re": "second .*100%.*"}, "done"],
        },
    ),
    ("shows_two_tasks", {}, {"live_progress": [25, 100, "first"], "progress": [25, 100], "log_count": 2}),
    (
        "draws_a_table",
        {},
        {"log_count": 8, "log_has": [{"re": ".*name.*count.*"}, {"re": ".*row.*0.*"}, {"re": ".*row.*2.*"}, "done"]},
    ),
]
