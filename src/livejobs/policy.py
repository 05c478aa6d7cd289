"""Who may start, see, cancel and retry what. One object, replaceable through the setting POLICY."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import Error as DatabaseTrouble
from django.db.models import Q
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from livejobs.conf import conf
from livejobs.definition import LiveJob, registry
from livejobs.errors import NotAllowedError, NotFoundError
from livejobs.groups import all_group, owner_group
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job, JobQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.http import HttpRequest

logger = logging.getLogger("livejobs.policy")

BROWSER_ID: Final = "livejobs_browser"  # where the session keeps the browser's random id


@dataclass(frozen=True)
class Person:
    """Who asks.

    :param user: a signed-in user, or None.
    :param keys: the owner keys whose jobs are this person's own; the first one owns what the person starts.
    :param staff: whether all jobs are seen and acted on.
    """

    user: AbstractBaseUser | None
    keys: tuple[str, ...]
    staff: bool = False

    @property
    def name(self) -> str:
        """How the audit trail names this person."""
        return self.user.get_username() if self.user else ""


def user_key(user: AbstractBaseUser) -> str:
    """The owner key of a signed-in user."""
    return f"user:{user.pk}"


def person_of(user: Any, session: Mapping[str, Any] | None, *, connection: str = "") -> Person:
    """Say who asks, from what the authentication and session middleware know.

    :param user: a user, an anonymous user or None.
    :param session: the session, where there is one.
    :param connection: the random id of a socket, used when there is neither user nor browser id.
    """
    signed_in = user if user is not None and getattr(user, "is_authenticated", False) and user.is_active else None
    keys = [user_key(signed_in)] if signed_in else []
    browser = session.get(BROWSER_ID) if session is not None else None
    if isinstance(browser, str) and browser:
        keys.append(f"browser:{browser}")
    if not keys and connection:
        keys.append(f"connection:{connection}")
    return Person(signed_in, tuple(keys), staff=bool(signed_in and getattr(signed_in, "is_staff", False)))


def ensure_browser_id(request: HttpRequest) -> str:
    """Give this browser its random id, kept in the session, so that signing in does not lose its jobs."""
    browser = request.session.get(BROWSER_ID)
    if not isinstance(browser, str) or not browser:
        browser = secrets.token_urlsafe(18)
        request.session[BROWSER_ID] = browser
    return browser


class Policy:
    """The default rules: own jobs for their owner, all jobs for staff, tasks by `expose` and `permission`."""

    def tasks(self, person: Person) -> list[LiveJob[..., Any]]:
        """The tasks this person may start, by title."""
        allowed = [job for job in registry if self._exposed(job) and self._permitted(person, job, {})]
        return sorted(allowed, key=lambda job: (job.title.casefold(), job.name))

    def startable(self, person: Person, task_name: str) -> LiveJob[..., Any]:
        """The task of that name, if it is open to people.

        :raises NotFoundError: unknown and not exposed are answered alike.
        """
        live_job = registry.get(task_name)
        if live_job is None or not self._exposed(live_job):
            raise NotFoundError(_("There is no task “%(name)s”.") % {"name": task_name[:100]})
        return live_job

    def check_start(self, person: Person, live_job: LiveJob[..., Any], params: Mapping[str, Any]) -> None:
        """Refuse a start the task's `permission` does not allow.

        :param params: as they will be stored: checked, defaults filled in.
        :raises NotAllowedError: with the title of the task.
        """
        if not self._permitted(person, live_job, dict(params)):
            raise NotAllowedError(_("You may not start “%(title)s”.") % {"title": live_job.title})

    def mine(self, person: Person) -> JobQuerySet:
        """The jobs of the list "mine"."""
        return Job.objects.using(conf.DATABASE).filter(self._own(person))

    def visible(self, person: Person) -> JobQuerySet:
        """The jobs this person may see and act on."""
        return Job.objects.using(conf.DATABASE).all() if person.staff else self.mine(person)

    def groups(self, person: Person, scope: str) -> tuple[str, ...]:
        """The channel-layer groups that carry the events of a list.

        :param scope: `mine` or `all`.
        :raises NotAllowedError: `all` is for staff.
        """
        if scope == "all":
            if not person.staff:
                raise NotAllowedError(_("Only staff sees all jobs."))
            return (all_group(),)
        ownerless = (owner_group(""),) if conf.OWNERLESS_FOR_ALL else ()
        return tuple(owner_group(key) for key in person.keys) + ownerless

    def rights(self, person: Person) -> list[str]:
        """What this person may do at all; what may be done to one job follows from its state too."""
        return ["start", "cancel", "retry", *(["see_all"] if person.staff else [])]

    def _own(self, person: Person) -> Q:
        keys = [*person.keys, ""] if conf.OWNERLESS_FOR_ALL else list(person.keys)
        return Q(owner_key__in=keys)

    def _exposed(self, live_job: LiveJob[..., Any]) -> bool:
        return conf.EXPOSE if live_job.options.expose is None else live_job.options.expose

    def _permitted(self, person: Person, live_job: LiveJob[..., Any], params: dict[str, Any]) -> bool:
        permission = live_job.options.permission
        if permission is None:
            return True
        if callable(permission):
            try:
                return bool(permission(person.user, params))
            except DatabaseTrouble:
                raise
            except Exception:
                logger.exception(
                    "The permission of %s failed; that is a no", live_job.name,
                    extra=fields(LogEvent.PERMISSION_FAILED, task=live_job.name),
                )  # fmt: skip
                return False
        return person.user is not None and bool(getattr(person.user, "has_perm", lambda _name: False)(permission))


def get_policy() -> Policy:
    """The policy in force."""
    policy: Policy = import_string(conf.POLICY)()
    return policy
