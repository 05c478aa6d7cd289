"""The server's paths: the app at the root, and the tutorial's address for the same page."""

from __future__ import annotations

from django.urls import include, path

from livejobs.web.views import index

handler500 = "livejobs.server.project.views.failed"
urlpatterns = [
    path("", include("livejobs.urls")),
    path("dashboard/", index),
]
