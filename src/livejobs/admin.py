"""Jobs in Django's admin, to look at. State changes through the actions only, so nothing here can be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from livejobs.models import Job, JobEvent

if TYPE_CHECKING:
    JobInline = admin.TabularInline[JobEvent, Job]
    JobPage = admin.ModelAdmin[Job]
else:  # Django's classes take no type arguments when they run
    JobInline, JobPage = admin.TabularInline, admin.ModelAdmin


class ReadOnly:
    """No one adds, changes or deletes here: that would go past the one writer of state."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False


class JobEventInline(ReadOnly, JobInline):
    """The timeline of a job."""

    model = JobEvent
    fields = ("version", "state", "attempt", "at", "actor", "data")
    ordering = ("version",)


@admin.register(Job)
class JobAdmin(ReadOnly, JobPage):
    """The list of jobs, and one job with its timeline."""

    list_display = ("id", "task", "name", "state", "owner", "queue", "attempt", "created_at")
    list_filter = ("state", "task", "queue")
    search_fields = ("=id", "name", "task")
    list_select_related = ("owner",)
    show_full_result_count = False
    inlines = (JobEventInline,)
