"""The page for what went wrong on the server's side: one sentence, without database, session or template."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.html import escape
from django.utils.translation import gettext as _

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


def failed(_request: HttpRequest) -> HttpResponse:
    """Say that a page cannot be shown (Django's handler500)."""
    text = _(
        "The database cannot be reached, its disk is full, or something else went wrong; the server's log says what."
        " Jobs that run go on. Load the page again in a moment."
    )
    return HttpResponse(PAGE.format(title=escape(_("This page cannot be shown now")), text=escape(text)), status=500)
