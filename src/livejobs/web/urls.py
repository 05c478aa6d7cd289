"""The addresses of the page, relative to wherever a host mounts them."""

from __future__ import annotations

from django.urls import path

from livejobs.web import health, views

app_name = "livejobs"

urlpatterns = [
    path("", views.index, name="index"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("jobs/<int:job_id>/", views.job, name="job"),
    path("jobs/<int:job_id>/timeline/", views.timeline, name="timeline"),
    path("jobs/<int:job_id>/result/", views.result, name="result"),
    path("jobs/<int:job_id>/log/", views.log, name="log"),
    path("jobs/<int:job_id>/lines/", views.lines, name="lines"),
    path("jobs/<int:job_id>/stacks/", views.stacks, name="stacks"),
    path("jobs/<int:job_id>/traceback/", views.traceback, name="traceback"),
]
