"""What load balancers and orchestrators ask: whether this process lives, and whether jobs can be accepted and run.

Neither asks who is there, nor touches a session; a host that wraps each request in a transaction gets none here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from livejobs.health import parts
from livejobs.health.parts import Finding, Overall

View = Callable[[HttpRequest], HttpResponse]


def _open(view: View) -> View:
    """Let everybody ask, and open no transaction for it on any database."""
    for alias in settings.DATABASES:
        view = non_atomic_requests(using=alias)(view)
    return require_safe(login_not_required(view))


@_open
def livez(request: HttpRequest) -> HttpResponse:
    """This process serves; nothing else is touched."""
    return _fresh(HttpResponse("ok", content_type="text/plain; charset=utf-8"))


@_open
def readyz(request: HttpRequest) -> HttpResponse:
    """How each part is that jobs need. 503 only where no job can be accepted."""
    findings = parts.look()
    overall = parts.overall(findings)
    checks = {name: _public(finding) for name, finding in findings.items()}
    status = 503 if overall is Overall.UNAVAILABLE else 200
    return _fresh(JsonResponse({"status": overall, "checks": checks}, status=status))


def _public(finding: Finding) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": finding.status, "message": finding.message}
    return shown if finding.queues is None else {**shown, "queues": dict(finding.queues)}


def _fresh(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
