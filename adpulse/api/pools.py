"""The threads of routes that wait for the database or for Prefect, and whether a pool of them is stuck."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

_THREADS = 4
STUCK_SECONDS = 10.0
"""A pool whose threads are all busy is stuck when none of them began with a request for this long."""


@dataclass(slots=True)
class _Threads:
    """The threads of one event loop, and since when each of them is busy."""

    limiter: CapacityLimiter
    busy_since: dict[object, float] = field(default_factory=dict)


class Pool:
    """A few threads for requests of one kind."""

    def __init__(self, work: str, threads: int = _THREADS) -> None:
        self.work = work
        self._count = threads
        self._threads: RunVar[_Threads] = RunVar(f"threads for {work}")

    async def run(self, call: Callable[[], Any], *, may_abandon: bool = False) -> Any:  # noqa: ANN401 - whatever the route answers
        """Call a function in a thread of this pool, as soon as one is free.

        ``may_abandon``: a caller that is cancelled does not wait for its end.
        """
        threads = self._of_this_loop()

        def timed() -> Any:  # noqa: ANN401 - the same
            request = object()
            threads.busy_since[request] = time.monotonic()
            try:
                return call()
            finally:
                del threads.busy_since[request]

        return await to_thread.run_sync(timed, limiter=threads.limiter, abandon_on_cancel=may_abandon)

    def is_stuck(self) -> bool:
        """Whether requests of this kind do not get a thread any more."""
        busy_since = list(self._of_this_loop().busy_since.values())
        return len(busy_since) >= self._count and time.monotonic() - max(busy_since) > STUCK_SECONDS

    def _of_this_loop(self) -> _Threads:
        try:
            return self._threads.get()
        except LookupError:
            self._threads.set(_Threads(CapacityLimiter(self._count)))
            return self._threads.get()


READING, WRITING, WAITING = Pool("reading"), Pool("writing"), Pool("waiting for Prefect")
"""Separate threads: reads do not wait for writes, nor for routes that wait for Prefect."""
