"""What a host project includes: `path("jobs/", include("livejobs.urls"))`."""

from __future__ import annotations

from livejobs.web.urls import app_name, urlpatterns

__all__ = ["app_name", "urlpatterns"]
