"""What went wrong on the server's side is one sentence."""

from __future__ import annotations

from django.test import RequestFactory


def test_it_is_a_page_with_one_paragraph():
    from livejobs.server.project.views import failed  # here, where the project's Celery app is not imported

    answer = failed(RequestFactory().get("/"))
    text = answer.content.decode()
    assert answer.status_code == 500
    assert text.count("<p>") == 1
    assert "its disk is full" in text
    assert "<script" not in text
