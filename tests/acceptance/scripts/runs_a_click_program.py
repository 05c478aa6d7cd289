"""A click program ends by sys.exit, well or not."""

import click

from livejobs import live_job


@click.command()
@click.option("--count", type=int, required=True)
def program(count):
    click.echo(f"counted to {count}")


@live_job
def runs_click(line: str):
    program(line.split())


STEPS = [
    ("runs_click", {"line": "--count 3"}, {"result": None, "log": ["counted to 3"]}),
    (
        "runs_click",
        {"line": "--count x"},
        {"state": "failed", "error": {"message": {"re": "Exited with code 2: Error: Invalid value for '--count'.*"}}},
    ),
]
