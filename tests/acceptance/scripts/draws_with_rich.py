"""The bars of rich are drawn in the log and move the progress, by whatever console; what it prints comes once."""

import logging
import time
from pathlib import Path

import rich
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import track

from livejobs import live_job

console = Console()
logger = logging.getLogger("draws_with_rich")
logger.setLevel(logging.INFO)
logger.addHandler(RichHandler(console=console, show_time=False, show_path=False))


@live_job
def follows_rich():
    for _ in track(range(20), description="reading"):
        time.sleep(0.02)
    print("read")


@live_job
def follows_rich_by_a_console_of_the_module():
    for number in track(range(30), description="reading", console=console):
        if number == 15:
            console.print("half")
        time.sleep(0.02)
    console.print("read")


@live_job
def shows_rich_in_the_middle():
    for number in track(range(4), description="half", console=console):
        while number == 2 and not Path("draws_with_rich.seen").exists():
            time.sleep(0.05)


@live_job
def waits_with_a_status():
    with console.status("waiting"):
        time.sleep(0.3)
        print("printed")
        time.sleep(0.3)
    print("done")


@live_job
def prints_with_rich():
    rich.print("[red]red[/red] and plain")
    Console(width=20).rule()
    with open("draws_with_rich.txt", "w") as file:
        Console(file=file).print("[red]in a file[/red]")
    print(Path("draws_with_rich.txt").read_text(), end="")


@live_job
def logs_with_rich():
    logger.info("logged")
    for number in track(range(20)):
        if number == 10:
            logger.info("logged in the middle")
        time.sleep(0.02)
    print("done")


STEPS = [
    (
        "follows_rich",
        {},
        {"progress": [100, 100], "message": "reading", "log": [{"re": "reading .*━.*100%.*"}, "read"]},
    ),
    (
        "follows_rich_by_a_console_of_the_module",
        {},
        {"progress": [100, 100], "message": "reading", "log": ["half", {"re": "reading .*━.*100%.*"}, "read"]},
    ),
    ("shows_rich_in_the_middle", {}, {"live_progress": [50, 100, "half"], "progress": [100, 100], "log_count": 1}),
    ("waits_with_a_status", {}, {"progress": None, "log": ["printed", "done"]}),
    (
        "prints_with_rich",
        {},
        {"log": ["\x1b[31mred\x1b[0m and plain", {"re": ".*─{20}.*"}, "in a file"]},
    ),
    (
        "logs_with_rich",
        {},
        {
            "progress": [100, 100],
            "log": [
                {"re": ".*INFO.* logged *"},
                {"re": ".*INFO.* logged in the middle *"},
                {"re": ".*━.*100%.*"},
                "done",
            ],
        },
    ),
]
