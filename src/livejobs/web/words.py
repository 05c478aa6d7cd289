"""Every text the page says, once: the templates and the elements read the same table, so the two cannot drift.

The whole table travels in the page's snapshot. A text names its values in braces; `words.js` fills them as `say` does.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

WORDS: Final = {
    # states
    "scheduled": _("Scheduled"),
    "queued": _("Queued"),
    "running": _("Running"),
    "cancelling": _("Cancelling"),
    "retrying": _("Retrying"),
    "succeeded": _("Completed"),
    "failed": _("Failed"),
    "cancelled": _("Cancelled"),
    # the second line of a row
    "starts_at": _("Starts {time}"),
    "waiting": _("Waiting for a worker"),
    "waiting_for": _("Waiting for a worker · {time}"),
    "no_worker": _("No worker is running"),
    "broker_down": _("Accepted; it starts when the queue can be reached"),
    "attempt": _("attempt {n}"),
    "left": _("about {time} left"),
    "asked": _("Asked {time} ago; stops at its next step"),
    "interrupting": _("Asked {time} ago; being interrupted"),
    "retry_in": _("Attempt {n} of {of} in {time}"),
    "retry_soon": _("Attempt {n} of {of} is due"),
    "took": _("in {time}"),
    "lost": _("The worker stopped before this job finished"),
    "stopped_after": _("After {time}"),
    "never_started": _("Before it started"),
    # durations
    "seconds": _("{s} s"),
    "minutes": _("{n} min {rest} s"),
    "minutes_only": _("{n} min"),
    "hours": _("{n} h {rest} min"),
    "hours_only": _("{n} h"),
    "days": _("{n} d {rest} h"),
    "days_only": _("{n} d"),
    # the frame
    "brand": _("Livejobs"),
    "live": _("Live"),
    "connecting": _("Connecting…"),
    "reconnecting": _("Reconnecting…"),
    "reconnecting_in": _("Reconnecting in {time}."),
    "stale": _("What you see may be old."),
    "try_now": _("Try now"),
    "delayed": _("Live updates are delayed."),
    "signed_out": _("You are signed out."),
    "sign_in": _("Sign in"),
    "updated": _("Livejobs was updated."),
    "reload": _("Reload"),
    "connected": _("Connected again."),
    "no_script": _("Livejobs needs JavaScript to start and follow jobs."),
    # the runner
    "runner": _("Task Runner"),
    "task": _("Task"),
    "name": _("Name"),
    "optional": _("optional"),
    "run": _("Run {title}"),
    "run_any": _("Run"),
    "options": _("Options"),
    "yes": _("Yes"),
    "no": _("No"),
    "none": _("None"),
    "number": _("Must be a number"),
    "not_text": _("Contains a character that cannot be stored."),
    "too_large": _("{size} KB; the limit is {limit} KB."),
    "offline": _("Not connected. Nothing was started; your input is kept."),
    "checking": _("Checking whether it started…"),
    "session_changed": _("You were signed in or out meanwhile. Look at the list before you run it again."),
    "nothing": _("Nothing you can start."),
    # the list
    "list": _("Task Status"),
    "column_id": _("Task ID"),
    "column_name": _("Task Name"),
    "column_status": _("Task Status"),
    "column_actions": _("Actions"),
    "empty": _("No jobs yet. Run one; it stays here after a reload."),
    "count": _("{n} running"),
    "new": _("{n} new"),
    "older": _("Load older jobs"),
    "progress": _("Progress of {name}"),
    # actions
    "cancel": _("Cancel"),
    "retry": _("Retry"),
    "stop_job": _("Stop job {id}?"),
    "stop_it": _("Stop it"),
    "keep": _("Keep running"),
    "too_late": _("Finished before it could be cancelled."),
    "attempt_queued": _("Attempt {n} queued"),
    "cancel_job": _("Cancel {name}"),
    "retry_job": _("Retry {name}"),
    "not_connected": _("Not connected. Nothing was changed."),
    "unanswered": _("The connection was lost before an answer came."),
    # a job's page
    "not_found": _("No such job, or it is not yours."),
    "gone": _("This job was removed."),
    "back": _("All jobs"),
    "result": _("Result"),
    "no_result": _("Finished without a result."),
    "download": _("Download JSON"),
    "show_all": _("Show all {n} rows"),
    "error": _("Error"),
    "show_traceback": _("Show traceback"),
    "no_traceback": _("No traceback was kept."),
    "log": _("Log"),
    "no_log": _("Nothing logged yet."),
    "no_log_end": _("Nothing was logged."),
    "latest": _("Jump to latest"),
    "copy": _("Copy"),
    "copied": _("Copied"),
    "not_copied": _("Not copied"),
    "attempt_line": _("Attempt {n}"),
    "timeline": _("Timeline"),
    "by": _("by {actor}"),
    "parameters": _("Parameters"),
    "no_parameters": _("None"),
    "details": _("Details"),
    "queue": _("Queue"),
    "worker": _("Worker"),
    "owner": _("Owner"),
    "created": _("Created"),
    "attempts": _("Attempt"),
    "losses": _("Lost workers"),
    "loading": _("Loading…"),
    "failed_to_load": _("Could not be loaded."),
    # keys
    "keys": _("Keyboard"),
    "keys_on": _("Use these keys"),
    "key_move": _("Next, previous job"),
    "key_open": _("Open"),
    "key_runner": _("Go to the runner"),
    "key_sheet": _("This sheet"),
    "close": _("Close"),
    # spoken
    "said_queued": _("{name} queued"),
    "said_succeeded": _("{name} completed"),
    "said_failed": _("{name} failed: {error}"),
    "said_cancelled": _("{name} cancelled"),
    "said_more": _("and {n} more"),
}


def say(key: str, **values: object) -> str:
    """The text of that key in the reader's language, its braces filled."""
    return str(WORDS[key]).format(**values) if values else str(WORDS[key])


def words() -> dict[str, str]:
    """The whole table in the reader's language, for the snapshot."""
    return {key: str(text) for key, text in WORDS.items()}
