"""A host that hashes its static files: every address the page names must exist, and no module may load twice."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.template.loader import render_to_string


@pytest.fixture
def collected(settings, tmp_path):
    """Static files, collected with hashed names."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_hashed_static_files(collected):
    html = render_to_string("livejobs/base.html", {"snapshot": {"language": "en"}, "words": {}})
    addresses = re.findall(r'(?:href|src)="/static/([^"]+)"', html)
    assert all((collected / address).is_file() for address in addresses)
    # modules import each other by plain names: one that is loaded under a hashed name would be a second copy
    assert [address for address in addresses if address.endswith(".js")] == ["livejobs/index.js"]
    assert any(re.fullmatch(r"livejobs/livejobs\.\w+\.css", address) for address in addresses)
