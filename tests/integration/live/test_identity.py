"""Who is behind a socket, read afresh."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore

from livejobs.live.identity import Door, SessionChangedError
from livejobs.policy import BROWSER_ID

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_user("ada", password="secret")


def stored(browser: str | None = "me", user: Any = None) -> SessionStore:
    session = SessionStore()
    if browser:
        session[BROWSER_ID] = browser
    if user is not None:
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session


def keys(door: Door) -> tuple[str, ...]:
    return door.person().keys


def test_a_browser_is_known_by_its_random_id():
    door = Door({"session": SessionStore(stored().session_key)})
    assert keys(door) == keys(door) == ("browser:me",)


def test_a_signed_in_user_comes_first(user):
    person = Door({"session": SessionStore(stored("me", user).session_key)}).person()
    assert person.keys == (f"user:{user.pk}", "browser:me")
    assert (person.user, person.staff) == (user, False)


def test_without_a_session_the_connection_is_the_person():
    one, other = Door({}), Door({})
    assert keys(one) == keys(one)
    assert keys(one)[0].startswith("connection:")
    assert keys(one) != keys(other)


def test_a_session_that_was_never_stored_is_none():
    assert keys(Door({"session": SessionStore(None)}))[0].startswith("connection:")
    assert keys(Door({"session": SessionStore("expired")}))[0].startswith("connection:")


def test_what_another_middleware_found_is_used(user):
    assert keys(Door({"user": user})) == (f"user:{user.pk}",)
    assert keys(Door({"user": AnonymousUser(), "session": {BROWSER_ID: "x"}})) == ("browser:x",)


def test_signing_out_is_a_change(user):
    session = stored("me", user)
    door = Door({"session": SessionStore(session.session_key)})
    door.person()
    session.flush()
    with pytest.raises(SessionChangedError):
        door.person()


def test_signing_in_is_a_change(user):
    session = stored("me")
    door = Door({"session": SessionStore(session.session_key)})
    door.person()
    session.cycle_key()
    with pytest.raises(SessionChangedError):
        door.person()


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": True}])
def test_another_standing_is_a_change(user, change):
    door = Door({"session": SessionStore(stored("me", user).session_key)})
    door.person()
    get_user_model().objects.update(**change)
    with pytest.raises(SessionChangedError):
        door.person()


def test_another_password_is_a_change(user):
    door = Door({"session": SessionStore(stored("me", user).session_key)})
    door.person()
    user.set_password("another")
    user.save()
    with pytest.raises(SessionChangedError):
        door.person()


def test_a_user_who_came_with_a_token_and_is_deleted_is_a_change(user):
    door = Door({"user": user})
    door.person()
    get_user_model().objects.all().delete()
    with pytest.raises(SessionChangedError):
        door.person()


def test_a_first_browser_id_in_the_same_session_is_a_change():
    session = stored(None)
    door = Door({"session": SessionStore(session.session_key)})
    assert keys(door)[0].startswith("connection:")
    session[BROWSER_ID] = "me"
    session.save()
    with pytest.raises(SessionChangedError):
        door.person()


def test_other_things_in_the_session_are_no_change():
    session = stored()
    door = Door({"session": SessionStore(session.session_key)})
    door.person()
    session["basket"] = 3
    session.save()
    assert keys(door) == ("browser:me",)
