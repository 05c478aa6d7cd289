"""The Django project behind `livejobs up`: a small host of the app, and nothing but a host."""

from __future__ import annotations

# the current Celery app must be ours before Django imports any task
from livejobs.server.project.celery import app as celery_app

__all__ = ["celery_app"]
