"""What the templates of Livejobs need."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.test import override_settings


def rendered(source: str, **values: object) -> str:
    return Template("{% load livejobs %}" + source).render(Context(values))


@override_settings(STATIC_URL="/assets/")
def test_a_module_has_its_plain_name_below_the_hosts_address():
    assert rendered("{% livejobs_module 'index.js' %}") == "/assets/livejobs/index.js"


def test_an_icon_is_decoration_and_its_name_is_no_markup():
    assert rendered("{% livejobs_icon 'failed' %}") == (
        '<svg class="lj-icon" aria-hidden="true"><use href="#lj-failed"></use></svg>'
    )
    assert "<b>" not in rendered("{% livejobs_icon name %}", name='"><b>')


@pytest.mark.parametrize("name", ["October", "<b>&"])
def test_a_text_has_its_braces_filled_and_what_people_wrote_escaped(name):
    said = rendered("{% livejobs_say 'progress' name=name %}", name=name)
    assert said == "Progress of " + name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
