"""What the page says about the jobs that it offers."""

from __future__ import annotations

import pytest
from django.test import Client

from livejobs.definition import registry
from livejobs.health import notices as module
from livejobs.health.notices import add_source, notices

REFUSAL = "tasks.py:3: a cannot be a live job: it is <b>not</b> a function."


@pytest.fixture(autouse=True)
def _quiet(monkeypatch) -> None:
    monkeypatch.setattr(module, "_sources", [])
    monkeypatch.setattr(registry, "refusals", [])


def test_where_all_is_well_nothing_is_said():
    assert notices() == []


def test_what_a_source_says_stands_before_what_is_not_served():
    registry.refusals.append(REFUSAL)
    add_source(lambda: ["The file has changed."])

    assert notices() == ["The file has changed.", f"Not served: {REFUSAL}"]


@pytest.mark.django_db
def test_the_runner_says_it_as_plain_text():
    registry.refusals.append(REFUSAL)

    page = Client().get("/jobs/").text

    assert "Not served: tasks.py:3: a cannot be a live job: it is &lt;b&gt;not&lt;/b&gt; a function." in page
    assert page.index('class="lj-runner"') < page.index("Not served: ") < page.index("<livejobs-form>")
