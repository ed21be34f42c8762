"""Places for routes that wait for something outside of this process: an alert's query, a platform, a name server.

Such a route may take many seconds, and a workspace can make it so. It runs in threads that no other route uses, and a workspace has
only a few of them at once: a request beyond that is refused at once, without a thread and without the database; who goes on asking
faster than it was told to is answered at a slow pace. As of each workspace only its few wait for a thread, the first come is the
first served.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from adpulse.api.access import Caller
from adpulse.api.problems import Refused

_RETRY_SECONDS = 5
_REFUSALS_AT_ONCE, _REFUSAL_SECONDS = 20, 0.1
"""So many refusals are told at once to a workspace, and then one in this time; nobody waits for one longer than ``_RETRY_SECONDS``."""


@dataclass(slots=True)
class _Taken:
    """Of one event loop: its threads, and who has how many places."""

    threads: CapacityLimiter
    places: Counter[str] = field(default_factory=Counter)
    _refusals: dict[str, float] = field(default_factory=dict)

    def wait_of_refusal(self, owner: str) -> float:
        """Seconds until the owner is told of a refusal: none, unless it asks faster than anybody does who was told to wait.

        Fifty clients that ask again at once would otherwise take a whole core for their refusals alone.
        """
        now = anyio.current_time()
        earliest = max(self._refusals.get(owner, 0.0), now - _REFUSALS_AT_ONCE * _REFUSAL_SECONDS)
        due = min(earliest + _REFUSAL_SECONDS, now + _RETRY_SECONDS)
        self._refusals[owner] = due
        return max(0.0, due - now)


class Places:
    """``threads`` run at once, of them ``each`` for one workspace; ``waiting`` more requests may wait for a thread."""

    def __init__(self, what: str, *, threads: int, each: int, waiting: int) -> None:
        self._what, self._threads, self._each, self._most = what, threads, each, threads + waiting
        self._taken: RunVar[_Taken] = RunVar(f"places for {what}")

    def __call__(self, endpoint: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """Let a route's function run in these places.

        Requests count for the workspace of its ``caller``; those without a caller may have all threads together.
        """

        @wraps(endpoint)
        async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route takes and answers
            taken, owner = self._of_this_loop(), _owner(arguments)
            if refusal := self._refusal(taken, owner):
                await anyio.sleep(taken.wait_of_refusal(owner))
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, f"{refusal} Try again in {_RETRY_SECONDS} s.", _RETRY_SECONDS)
            taken.places[owner] += 1
            try:
                return await to_thread.run_sync(partial(endpoint, **arguments), limiter=taken.threads)
            finally:
                taken.places[owner] -= 1
                taken.places += Counter()  # forgets who has none

        return run

    def _refusal(self, taken: _Taken, owner: str) -> str | None:
        """Why there is no place: the owner has all that it may have, or everybody together has."""
        if owner and taken.places[owner] >= self._each:
            return f"This workspace has as many {self._what} under way as it may have at one time ({self._each})."
        if taken.places.total() >= self._most or (not owner and taken.places[owner] >= self._threads):
            return f"There are as many {self._what} under way as the installation takes."
        return None

    def _of_this_loop(self) -> _Taken:
        try:
            return self._taken.get()
        except LookupError:
            self._taken.set(_Taken(CapacityLimiter(self._threads)))
            return self._taken.get()


ALERTS = Places("alert queries", threads=2, each=1, waiting=8)
"""Each is a child process of 256 MB and one core at most. With two, one slow team leaves the other to everybody else."""

OUTSIDE = Places("requests that wait for a platform or a name server", threads=20, each=4, waiting=40)
"""Threads that only wait cost little; discovery of a large Google manager takes many seconds."""


def _owner(arguments: dict[str, Any]) -> str:
    """The workspace that a request counts for: the caller's only one, or the one an operator asks for. Empty without a caller."""
    caller = arguments.get("caller")
    if not isinstance(caller, Caller):
        return ""
    return caller.workspace_id or arguments.get("workspace_id") or arguments.get("workspace") or caller.id
