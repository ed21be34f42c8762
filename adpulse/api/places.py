"""Limits on routes that wait for something outside of this process: an alert's query, a view, a platform, a name server.

Such a route may take many seconds, and a workspace can cause that on purpose. It runs in threads that no other route uses, and a
workspace may occupy only a few of them. A request beyond that is refused at once, without a thread and without the database. A client
that ignores Retry-After gets its refusals at a slow pace. Waiting requests get a thread in the order in which they arrived.
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
"""A workspace gets this many refusals at once, and then one per this time; none is delayed longer than ``_RETRY_SECONDS``."""


@dataclass(slots=True)
class _Occupancy:
    """The threads of one event loop, and how many places each workspace occupies."""

    threads: CapacityLimiter
    places: Counter[str] = field(default_factory=Counter)
    _refusals: dict[str, float] = field(default_factory=dict)

    def wait_of_refusal(self, owner: str) -> float:
        """Seconds by which a refusal of the owner is delayed: none, unless its clients ignore Retry-After.

        Fifty clients that repeat refused requests at once would otherwise occupy a whole core with refusals alone.
        """
        now = anyio.current_time()
        earliest = max(self._refusals.get(owner, 0.0), now - _REFUSALS_AT_ONCE * _REFUSAL_SECONDS)
        answered_at = min(earliest + _REFUSAL_SECONDS, now + _RETRY_SECONDS)
        self._refusals[owner] = answered_at
        return max(0.0, answered_at - now)


class Places:
    """At most ``threads`` requests run at once, ``per_workspace`` of one workspace; ``waiting`` more may wait for a thread."""

    def __init__(self, requests: str, *, threads: int, per_workspace: int, waiting: int) -> None:
        self._requests, self._threads, self._per_workspace, self._max_requests = requests, threads, per_workspace, threads + waiting
        self._occupancy: RunVar[_Occupancy] = RunVar(f"places for {requests}")

    def __call__(self, endpoint: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """Run a route's function within these limits.

        Requests count for the workspace of their ``caller``; requests without a caller may together use all threads.
        """

        @wraps(endpoint)
        async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route takes and answers
            occupancy, owner = self._of_this_loop(), _owner(arguments)
            if refusal := self._refusal(occupancy, owner):
                await anyio.sleep(occupancy.wait_of_refusal(owner))
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, f"{refusal} Try again in {_RETRY_SECONDS} s.", _RETRY_SECONDS)
            occupancy.places[owner] += 1
            try:
                return await to_thread.run_sync(partial(endpoint, **arguments), limiter=occupancy.threads)
            finally:
                occupancy.places[owner] -= 1
                occupancy.places += Counter()  # drops owners without a place

        return run

    def _refusal(self, occupancy: _Occupancy, owner: str) -> str | None:
        """The reason why there is no place: the owner has reached its limit, or all owners together have."""
        if owner and occupancy.places[owner] >= self._per_workspace:
            return f"This workspace has as many {self._requests} under way as it may have at once ({self._per_workspace})."
        if occupancy.places.total() >= self._max_requests or (not owner and occupancy.places[owner] >= self._threads):
            return f"There are as many {self._requests} under way as the installation allows."
        return None

    def _of_this_loop(self) -> _Occupancy:
        try:
            return self._occupancy.get()
        except LookupError:
            self._occupancy.set(_Occupancy(CapacityLimiter(self._threads)))
            return self._occupancy.get()


ALERTS = Places("alert queries", threads=2, per_workspace=1, waiting=8)
"""Each is a child process of 256 MB and one core at most. With two, a slow workspace leaves one to the others."""

VIEWS = Places("views", threads=2, per_workspace=1, waiting=8)
"""Each takes 128 MB and one core at most while it writes its answer; sending it takes no place."""

OUTSIDE = Places("requests that wait for a platform or a name server", threads=20, per_workspace=4, waiting=40)
"""Threads that only wait cost little; discovery of a large Google manager takes many seconds."""


def _owner(arguments: dict[str, Any]) -> str:
    """The workspace that a request counts for: the caller's own, or the one that an operator's request names. Empty without a caller."""
    caller = arguments.get("caller")
    if not isinstance(caller, Caller):
        return ""
    return caller.workspace_id or arguments.get("workspace_id") or arguments.get("workspace") or caller.id
