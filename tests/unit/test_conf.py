"""The settings table and how a host's `LIVEJOBS` dict overrides it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_origin

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from livejobs.conf import _DEFAULTS, NAMES, NAMESPACE_PATTERN, SETTINGS, conf, namespace


@pytest.fixture(autouse=True)
def _no_name_of_the_tests(monkeypatch):
    """The tests' settings give a namespace."""
    monkeypatch.setitem(_DEFAULTS, "NAMESPACE", "")


@override_settings(LIVEJOBS={})
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_default_holds_where_the_host_says_nothing(setting):
    assert getattr(conf, setting.name) == setting.default


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_default_has_the_type_it_says(setting):
    assert isinstance(setting.default, get_origin(setting.type) or setting.type)


@pytest.mark.parametrize("given", [None, {}])
def test_no_dict_at_all_is_a_host_too(given):
    with override_settings(LIVEJOBS=given):
        assert conf.QUEUE == "livejobs"


def test_the_host_overrides_and_is_read_at_each_use():
    with override_settings(LIVEJOBS={"QUEUE": "reports"}):
        assert conf.QUEUE == "reports"
        assert conf.MAX_NAME == 255
    assert conf.QUEUE == "livejobs"


def test_an_unknown_name_is_an_error():
    with pytest.raises(AttributeError, match="LIVEJOBS has no setting 'QEUE'"):
        conf.QEUE  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_explains_itself(setting):
    assert setting.help.endswith(".")
    assert setting.name == setting.name.upper()


def test_no_name_twice():
    assert len(NAMES) == len(SETTINGS)


@pytest.mark.parametrize(
    "module",
    [
        "livejobs", "livejobs.states", "livejobs.protocol", "livejobs.errors", "livejobs.sanitize", "livejobs.conf",
        "livejobs.groups", "livejobs.per_process", "livejobs.definition",
    ],
)  # fmt: skip
def test_a_plain_file_of_functions_loads_neither_django_nor_celery(module):
    """`from livejobs import live_job, current_job` must work, and be quick, without any settings."""
    look = f"import sys, {module}; print(sorted({{'django', 'celery', 'channels', 'redis'}} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- the namespace


@pytest.fixture
def derived(monkeypatch, settings):
    """Make a namespace where none is set."""

    def make(secret: str, **database: object) -> str:
        settings.SECRET_KEY = secret
        monkeypatch.setattr(django_settings, "DATABASES", {"default": database})
        return namespace()

    return make


def test_projects_differ_by_their_key_or_the_name_of_their_database(derived):
    ours = derived("a key", NAME="shop")
    assert re.fullmatch(NAMESPACE_PATTERN, ours)
    assert "a key" not in ours
    assert len({ours, derived("another", NAME="shop"), derived("a key", NAME="blog"), derived("a key")}) == 4


def test_processes_of_one_project_agree_however_they_reach_the_database(derived):
    direct = derived("a key", NAME="shop", HOST="10.0.0.5", PORT=5432, USER="web")
    assert derived("a key", NAME="shop", HOST="pgbouncer", PORT="6432", USER="worker") == direct
    assert derived("a key", NAME=Path("/srv/db")) == derived("a key", NAME="/srv/db")


def test_a_given_namespace_is_taken_as_it_is(settings):
    settings.LIVEJOBS = {"NAMESPACE": "shop-2"}
    assert namespace() == "shop-2"
