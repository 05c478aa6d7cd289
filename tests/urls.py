"""A host's URLs: the app under a prefix."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("jobs/", include("livejobs.urls")),
    path("admin/", admin.site.urls),
]
