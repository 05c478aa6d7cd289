"""click's echo, its colours and its progress bar end up as text."""

import click

from livejobs import live_job


@live_job
def echoes():
    click.echo("hello")
    click.echo("to stderr", err=True)
    click.secho("in green", fg="green")
    with click.progressbar(range(3), label="Working") as items:
        for _ in items:
            pass


EXPECT = {"log_has": ["hello", "to stderr", "in green", "Working"]}
