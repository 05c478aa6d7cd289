"""Why the server could not start: always said plainly, never a traceback."""

from __future__ import annotations

from livejobs.errors import LivejobsError


class StartError(LivejobsError):
    """Livejobs could not start."""
