"""The command `livejobs`. Whatever goes wrong is one plain sentence on stderr and an exit code other than 0."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import livejobs
from livejobs.errors import LivejobsError
from livejobs.protocol import sentence
from livejobs.server import entry, extras
from livejobs.server.environment import DEFAULT_DATA, DEFAULT_HOST, DEFAULT_PORT, default_workers
from livejobs.server.failures import StartError
from livejobs.server.output import Output

DEFAULT_TASKS: Final = "tasks.py"
CHECK_SECONDS: Final = 15.0
SESSIONS_SECONDS: Final = 3600.0  # between two looks for sessions that have expired

app = typer.Typer(
    help="Background jobs people can watch: started in a browser, followed live on every screen.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livejobs {livejobs.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def up(
    tasks: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|MODULE]",
            help=f"The file with your @live_job functions, or a dotted module. Default: {DEFAULT_TASKS}.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(envvar="LIVEJOBS_HOST", help="The address to listen on; only ones of this machine.")
    ] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(envvar="LIVEJOBS_PORT", help="The port; 0 takes a free one.")] = DEFAULT_PORT,
    data: Annotated[
        Path,
        typer.Option(envvar="LIVEJOBS_DATA", help="The folder for the database, the queue and the secret key."),
    ] = Path(DEFAULT_DATA),
    workers: Annotated[
        int | None,
        typer.Option(
            envvar="LIVEJOBS_WORKERS",
            help="How many jobs run at the same time. Default: one per processor, 2 to 4.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            envvar="LIVEJOBS_STRICT",
            help="Do not start while a function of the file cannot be served; list every one.",
        ),
    ] = False,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            envvar="LIVEJOBS_RELOAD",
            help="Serve the file anew as it is saved; running jobs are released and begin again.",
        ),
    ] = False,
) -> None:
    """Run a job server: web page, worker, queue and database, all on this machine.

    REDIS_URL and DATABASE_URL (PostgreSQL) name servers to use instead of the built-in ones.
    """
    extras.require_driver(os.environ.get("DATABASE_URL", ""))
    from livejobs.server.assembly import run

    run(
        tasks=_target(tasks),
        host=host,
        port=port,
        data=data.expanduser().absolute(),
        workers=default_workers() if workers is None else workers,
        strict=strict,
        reload=reload,
    )


@app.command()
def maintain() -> None:
    """Run the maintenance process: publish, schedule, rescue and clean up. `livejobs up` has one already.

    Any number may run. In a Django project DJANGO_SETTINGS_MODULE names the settings; elsewhere REDIS_URL,
    DATABASE_URL and LIVEJOBS_DATA say where the servers are.
    """
    from livejobs.server import part, readiness

    host = entry.has_host()
    if not host:
        part.load_later()
    try:
        _set_up()
        from livejobs.maintenance import loop

        if not host:
            part.load_jobs("maintenance")
            part.wait_for_servers()
    except StartError as error:
        readiness.mark_failed("maintenance", error.message)
        raise
    readiness.mark_ready("maintenance")
    # in a host they are the host's, who has `clearsessions` for it
    loop.run(more=() if host else [loop.Duty("sessions", SESSIONS_SECONDS, _delete_expired_sessions)])


def _delete_expired_sessions() -> None:
    from django.contrib.sessions.backends.db import SessionStore

    SessionStore.clear_expired()


@app.command()
def check(
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="LIVEJOBS_DATA",
            help=f"The data folder of the server. Default: {DEFAULT_DATA}, or the project of DJANGO_SETTINGS_MODULE.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0, help="How many seconds the job may take.")] = CHECK_SECONDS,
) -> int:
    """Check everything that jobs need, and run one job through the real queue.

    One line for each part. The exit code is 1 where one of them is not well.
    """
    if data is not None or not entry.has_host():
        entry.join((data or Path(DEFAULT_DATA)).expanduser().absolute())
    _set_up()
    from livejobs.health.report import checkup

    logging.getLogger("livejobs").setLevel(logging.WARNING)  # the lines below tell what became of the job
    return 0 if checkup(typer.echo, timeout) else 1


def _set_up() -> None:
    if not entry.has_host():
        extras.require_driver(os.environ.get("DATABASE_URL", ""))
    entry.set_up()


def _target(tasks: str | None) -> str:
    """Return the jobs file as an absolute path, or the module as it was given."""
    if tasks is None:
        if not Path(DEFAULT_TASKS).is_file():
            raise StartError(f"Which jobs? There is no {DEFAULT_TASKS} here; say livejobs up FILE.")
        tasks = DEFAULT_TASKS
    looks_like_a_path = tasks.endswith(".py") or os.sep in tasks or Path(tasks).is_file()
    return str(Path(tasks).expanduser().absolute()) if looks_like_a_path else tasks


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = app(args=arguments, prog_name="livejobs", standalone_mode=False)
    except LivejobsError as error:
        return _fail(error.message, 1)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        # What is wrong with the command line itself; where these classes live differs between versions of typer.
        describe = getattr(error, "format_message", None)
        if describe is None:
            raise
        return _fail(sentence(describe()), getattr(error, "exit_code", 2)) if describe() else 2
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    output = Output()  # never waits for a terminal that does not read
    output.warn(f"livejobs: {message}")
    output.flush()
    return code


if __name__ == "__main__":
    main()
