"""The page, a job's page, and what they fetch. Each answer asks the policy first: an id that is not yours is no job."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from livejobs.conf import conf
from livejobs.health.notices import notices
from livejobs.hints.public_job import public_job
from livejobs.hints.stacks import ask as ask_stacks
from livejobs.models import Job
from livejobs.policy import Person, ensure_browser_id, get_policy, person_of
from livejobs.protocol import ID_MAX
from livejobs.states import State
from livejobs.web.facts import facts_of, steps_of
from livejobs.web.log_file import EarlierLines, LogFile, Parts, last_lines
from livejobs.web.page_data import PageData, newest, snapshot
from livejobs.web.runner import runner_of
from livejobs.web.timeline import timeline_of
from livejobs.web.without_scripts import plain_of
from livejobs.web.words import words

PAGES: Final = ("document", "iframe", "frame", "empty")  # what a browser fetches a page for
AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The runner and the list of one's newest jobs. `?task=<name>` chooses a task."""
    data = newest(_visitor(request))
    runner = runner_of(data["tasks"], request.GET.get("task", ""))
    return _page(request, "livejobs/index.html", data, runner=runner, notices=notices())


@require_safe
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """One job: header, progress, result or error, log, timeline, parameters."""
    person = _person(request)
    found = _visible(person, job_id)
    if found is None:
        return _page(request, "livejobs/missing.html", snapshot(person, []), status=404)
    data = snapshot(_visitor(request), [found], truncate=False)
    tracebacks = _may_see_traceback(person)
    steps = timeline_of(found, tracebacks=tracebacks)
    lines = last_lines(found.pk)
    extra = {"timeline": steps, "traceback": tracebacks, "log": lines}
    without_scripts = plain_of(data["jobs"][0], lines)
    return _page(request, "livejobs/job.html", data, extra=extra, steps=steps_of(steps), plain=without_scripts)


@require_safe
def timeline(request: HttpRequest, job_id: int) -> HttpResponse:
    """The timeline as JSON; the page asks again when the job's version changes."""
    found = _visible_or_404(request, job_id)
    tracebacks = _may_see_traceback(_person(request))
    return _private(JsonResponse({"timeline": timeline_of(found, tracebacks=tracebacks)}))


@require_safe
def result(request: HttpRequest, job_id: int) -> HttpResponse:
    """The result as a JSON file."""
    found = _visible_or_404(request, job_id)
    if found.state != State.SUCCEEDED:
        raise Http404
    options = {"indent": 2, "ensure_ascii": False}
    response = JsonResponse(public_job(found)["result"], safe=False, json_dumps_params=options)
    response["Content-Disposition"] = f'attachment; filename="job-{found.pk}.json"'
    return _private(response)


@require_safe
def log(request: HttpRequest, job_id: int) -> StreamingHttpResponse:
    """The log as a text file."""
    found = _visible_or_404(request, job_id)
    file = LogFile(found.pk, several=found.attempt > 1)
    response = _streamed(request, file, "text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="job-{found.pk}.txt"'
    return response


@require_safe
def lines(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """The log before one of its lines (`?before=<seq>`), for a page, which shows a long one from its end upwards."""
    found = _visible_or_404(request, job_id)
    before = request.GET.get("before", "")
    if not re.fullmatch(r"[0-9]{1,19}", before) or int(before) > ID_MAX:
        text = "before: the number of a line is missing, as in ?before=100."
        return HttpResponseBadRequest(text, content_type="text/plain")
    return _streamed(request, EarlierLines(found.pk, int(before)), "application/x-ndjson")


@require_safe
def traceback(request: HttpRequest, job_id: int) -> HttpResponse:
    """The traceback as plain text: for staff, and for the owner where TRACEBACK_FOR_OWNER is set."""
    found = _visible_or_404(request, job_id)
    if not _may_see_traceback(_person(request)):
        raise Http404
    text = (found.error or {}).get("traceback") or ""
    return _private(HttpResponse(text, content_type="text/plain; charset=utf-8"))


@require_safe
async def stacks(request: HttpRequest, job_id: int) -> HttpResponse:
    """Where a running job is: the stacks of its threads as plain text, for those who may see tracebacks."""
    found = await sync_to_async(_running_or_404)(request, job_id)
    text = await ask_stacks(found.pk, found.attempt)
    status = 200 if text else 204  # nobody answered
    return _private(HttpResponse(text or "", content_type="text/plain; charset=utf-8", status=status))


def _person(request: HttpRequest) -> Person:
    return person_of(getattr(request, "user", None), request.session)


def _visitor(request: HttpRequest) -> Person:
    """Who opens a page. Their browser is known from now on, unless it shows the page as a picture or a script."""
    if request.headers.get("Sec-Fetch-Dest", "document") in PAGES:
        ensure_browser_id(request)
    return _person(request)


def _visible(person: Person, job_id: int) -> Job | None:
    if job_id > ID_MAX:
        return None
    return get_policy().visible(person).select_related("owner").filter(id=job_id).first()


def _visible_or_404(request: HttpRequest, job_id: int) -> Job:
    found = _visible(_person(request), job_id)
    if found is None:
        raise Http404
    return found


def _running_or_404(request: HttpRequest, job_id: int) -> Job:
    found = _visible_or_404(request, job_id)
    if found.state != State.RUNNING or not _may_see_traceback(_person(request)):
        raise Http404
    return found


def _may_see_traceback(person: Person) -> bool:
    return person.staff or conf.TRACEBACK_FOR_OWNER


def _page(
    request: HttpRequest,
    template: str,
    data: PageData,
    *,
    extra: dict[str, Any] | None = None,
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    context |= {
        "snapshot": {**data, **(extra or {})},
        "words": words(),
        "rows": [facts_of(each, data["rights"]) for each in data["jobs"]],
        "socket": reverse("livejobs:index") + "socket/",
    }
    return _private(render(request, template, context, status=status))


def _streamed(request: HttpRequest, parts: Parts, content_type: str) -> StreamingHttpResponse:
    content = aiter(parts) if isinstance(request, ASGIRequest) else iter(parts)
    return _private(StreamingHttpResponse(content, content_type=content_type))


def _private(response: AnyResponse) -> AnyResponse:
    patch_cache_control(response, private=True, no_cache=True)
    return response
