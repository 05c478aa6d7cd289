"""`LiveJob`: what a job is. Its signature is its form, its schema and its validation (`signature`, `parameters`).

Free of Django and Celery: a plain file of functions can be read without either. `apps.ready()` turns each definition
into a Celery task, and gives them all the verb that starts jobs.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, ParamSpec, Protocol, TypeVar

from livejobs.definition import results
from livejobs.definition.options import QUEUE_RULE, OptionError, Options, is_queue, is_seconds, options_of
from livejobs.definition.parameters import humanised
from livejobs.definition.signature import MAX_NESTING, MAX_PARAMS_BYTES, Signature, refuse
from livejobs.errors import DefinitionError, LivejobsError, UnsupportedError

if TYPE_CHECKING:
    from livejobs.models import Job

P = ParamSpec("P")
R = TypeVar("R")
_DOUBLINGS: Final = 60  # past that every wait is the longest, and a float has an end


def _unsupported(method: str, why: str) -> Callable[..., NoReturn]:
    """Build a method of Celery's that a live job has only to say what to do instead."""

    def refuse_call(self: LiveJob[..., Any], *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(f"{self.__name__}.{method}() {why}.")

    refuse_call.__name__ = method
    refuse_call.__doc__ = f"Not there: it {why}."
    return refuse_call


_SIGNATURE: Final = "makes a Celery signature, which cannot start a live job yet; use .delay() or livejobs.start()"
_MANY: Final = "makes a Celery signature, which cannot start live jobs yet; use livejobs.start_many()"


class Starter(Protocol):
    """The verb that makes a row of a definition and its params: `actions.start`."""

    def __call__(
        self,
        task: LiveJob[..., Any],
        params: dict[str, Any],
        /,
        *,
        queue: str | None = None,
        run_at: datetime | timedelta | None = None,
    ) -> Job:
        """Start a job."""
        ...


class LiveJob(Generic[P, R]):
    """A function that can run as a live job; called directly it is just the function.

    :param short_name: whether it is named as its function, without the module.
    :param options: see `Options`.
    :raises DefinitionError: the function or an option cannot be used; the message says where and what would be right.
    """

    starter: ClassVar[Starter | None] = None  # of all live jobs; set by apps.ready()

    name: str  # "module.function"; under `livejobs up` just "function"
    title: str
    doc: str
    options: Options
    func: Callable[P, R]
    schema: dict[str, Any]  # JSON Schema of the params; its shape is described in `parameters`
    required: tuple[str, ...]

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(self, func: Callable[P, R], *, short_name: bool = False, **options: Any) -> None:
        if isinstance(func, LiveJob):
            raise refuse(func.func, "it already is one; decorate it once")
        self._params, self.options = _read(func, options)
        functools.update_wrapper(self, func)
        self.func = func
        self.name = func.__name__ if short_name else f"{func.__module__}.{func.__name__}"
        self.title = self.options.title.strip() or humanised(func.__name__)
        self.doc = inspect.getdoc(func) or ""
        self.schema, self.required = self._params.schema(), self._params.required

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, here and now; no job is made."""
        return self.func(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<LiveJob {self.name}>"

    def __reduce__(self) -> str:
        return self.__qualname__  # by reference, as functions are pickled

    # ------------------------------------------------------------ starting

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Start a job with these arguments and return its row.

        :raises InvalidError: an argument is wrong; nothing was started.
        """
        return self._start(self.bind(args, kwargs), None)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Job:
        """Start a job by Celery's other calling convention; of its options `queue`, `countdown` and `eta` are known.

        A job for later waits in its row as scheduled, never in the broker, where it could be lost.

        :raises UnsupportedError: another option is given.
        :raises InvalidError: an argument is wrong; nothing was started.
        """
        queue, run_at = options.pop("queue", None), self._time(options.pop("countdown", None), options.pop("eta", None))
        if given := [name for name, value in options.items() if value is not None]:
            raise UnsupportedError(
                f"{self.__name__}.apply_async({given[0]}=...) is not supported; it takes queue, countdown and eta."
            )
        if queue is not None and not is_queue(queue):
            raise UnsupportedError(f"{self.__name__}.apply_async(queue={queue!r}) {QUEUE_RULE}.")
        return self._start(self.bind(args or (), kwargs or {}), queue, run_at)

    def _time(self, countdown: Any, eta: Any) -> datetime | timedelta | None:
        if countdown is not None and eta is not None:
            raise UnsupportedError(f"{self.__name__}.apply_async() takes countdown or eta, not both.")
        if countdown is not None and not is_seconds(countdown, least=-math.inf):
            raise UnsupportedError(f"{self.__name__}.apply_async(countdown={countdown!r}) is no number of seconds.")
        if eta is not None and not isinstance(eta, datetime):
            raise UnsupportedError(f"{self.__name__}.apply_async(eta={eta!r}) is no datetime.")
        return eta if countdown is None else timedelta(seconds=countdown)

    def _start(self, params: dict[str, Any], queue: str | None, run_at: datetime | timedelta | None = None) -> Job:
        starter = LiveJob.starter  # by the class: an instance would bind itself
        if starter is None:
            raise LivejobsError(
                f"{self.__name__} cannot be started here: that needs a running Django app with livejobs in"
                " INSTALLED_APPS, or `livejobs up`; called directly it is just the function."
            )
        return starter(self, params, queue=queue, run_at=run_at)

    s = _unsupported("s", _SIGNATURE)
    si = _unsupported("si", _SIGNATURE)
    signature = _unsupported("signature", _SIGNATURE)
    subtask = _unsupported("subtask", _SIGNATURE)
    map = _unsupported("map", _MANY)
    starmap = _unsupported("starmap", _MANY)
    chunks = _unsupported("chunks", _MANY)
    retry = _unsupported("retry", "is Celery's own retry, which can lose a job; raise the exception instead")
    apply = _unsupported("apply", "runs a Celery task without a job; call the function directly")

    # ------------------------------------------------------------ retries

    def is_worth_retrying(self, error: BaseException) -> bool:
        """Whether another attempt may end better than the one that raised this."""
        return isinstance(error, self.options.retry_on) and not isinstance(error, self.options.give_up_on)

    def wait_before_retry(self, failures: int, chance: float, *, backoff: float, backoff_max: float) -> float:
        """How long to wait for the next attempt, in seconds: doubling, capped, and up to a quarter shorter or longer.

        :param failures: how many attempts failed before the one that failed now.
        :param chance: a random number from 0 to 1, so that jobs that failed together do not come back together.
        :param backoff: the first wait of a task that names none.
        :param backoff_max: the longest wait of a task that names none.
        """
        first = backoff if self.options.backoff is None else self.options.backoff
        longest = backoff_max if self.options.backoff_max is None else self.options.backoff_max
        return min(longest, first * 2.0 ** min(failures, _DOUBLINGS) * (0.75 + chance / 2))

    # ------------------------------------------------------------ params and result

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Turn arguments into params by name.

        :raises InvalidError: there are more than the function takes, or one is given twice.
        """
        return self._params.bind(args, kwargs)

    def validate(
        self, params: Mapping[str, Any], *, max_bytes: int = MAX_PARAMS_BYTES, max_nesting: int = MAX_NESTING
    ) -> dict[str, Any]:
        """Check params and give them back as JSON for the row, defaults filled in.

        :param max_bytes: the bound of all params together, in bytes of JSON.
        :param max_nesting: how deep they may nest.
        :raises InvalidError: `fields` says for each parameter what is wrong.
        :raises TooLargeError: a bound was passed.
        """
        return self._params.validate(params, max_bytes, max_nesting)

    def arguments(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Turn the params of a row into what the function is called with: a date, not a text.

        :raises InvalidError: they do not fit the function, which may have changed since.
        """
        return self._params.arguments(params)

    def dump_result(self, value: Any, *, max_bytes: int = results.MAX_RESULT_BYTES) -> Any:
        """Turn what the function returned into plain JSON; see `results.dump`.

        :param max_bytes: the bound, in bytes of JSON.
        :raises ResultError: it has no JSON form or is too large.
        """
        return results.dump(value, max_bytes)


def _read(func: Callable[..., Any], given: Mapping[str, Any]) -> tuple[Signature, Options]:
    """Read a function and its options; what is wrong with either is said together."""
    reasons: list[str] = []
    cause: BaseException | None = None
    try:
        signature = Signature.of(func)
    except DefinitionError as error:
        reasons += error.reasons
        cause = error.__cause__
    try:
        options = options_of(given)
    except OptionError as error:
        reasons += error.reasons
    if reasons:
        raise refuse(func, *reasons) from cause
    return signature, options
