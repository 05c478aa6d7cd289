"""Who is behind a socket. Channels loads the user once, at connect; here user and session are read again and again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth import SESSION_KEY, get_user, get_user_model

from livejobs.policy import BROWSER_ID, Person, person_of

if TYPE_CHECKING:
    from django.http import HttpRequest


class SessionChangedError(Exception):
    """The user or the browser's session is not the one that opened the socket."""


class Door:
    """Reads who is behind one socket. Every method uses the database: call them through `database.pool.run`.

    :param scope: the ASGI scope; `session` and `user` are used where a middleware has put them there.
    """

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._session = scope.get("session")
        self._user = scope.get("user")
        self._connection = secrets.token_urlsafe(18)  # owns what a socket without a session starts
        self._mark: tuple[Any, ...] | None = None
        self._user_without_session: Any = None

    def person(self) -> Person:
        """Read user and session afresh.

        :raises SessionChangedError: they are not those of the first call: somebody signed in or out.
        """
        session = self._fresh_session()
        if self._mark is None:
            self._user_without_session = self._from_elsewhere()
        user = self._fresh_user(session)
        person = person_of(user, session, connection=self._connection)
        alive = session is not None and getattr(session, "session_key", None) is not None
        browser = session.get(BROWSER_ID) if session is not None else None
        mark = (person.keys, person.staff, browser, alive)
        if self._mark is None:
            self._mark = mark
        if mark != self._mark:
            raise SessionChangedError
        return person

    def _fresh_session(self) -> Any:
        """Load the session again from where it is kept; a plain mapping (another middleware's) is used as it is."""
        session = self._session
        if session is None or not hasattr(session, "session_key"):
            return session
        fresh = session.__class__(session.session_key)  # `type()` would be the lazy wrapper of Channels
        fresh.get(BROWSER_ID)  # loads it; one that is gone loses its key here
        return fresh

    def _from_elsewhere(self) -> Any:
        """The user another middleware has found without a session (a token), or None."""
        user = self._user
        if user is None or not getattr(user, "is_authenticated", False):
            return None
        return None if self._session is not None and SESSION_KEY in self._session else user

    def _fresh_user(self, session: Any) -> Any:
        if self._user_without_session is not None:
            return get_user_model()._default_manager.filter(pk=self._user_without_session.pk).first()
        if session is None or not hasattr(session, "session_key"):
            return None
        user = get_user(cast("HttpRequest", SimpleNamespace(session=session)))
        return user if user.is_authenticated else None
