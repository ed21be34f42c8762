"""The right to make the calls of one read: the lease is valid, and every limit has room. Step: fetch."""

import time
from collections.abc import Callable
from datetime import timedelta

from adpulse.errors import RateLimited
from adpulse.model import Heat, Lease
from storage.control.ledger import Ledger
from storage.control.runs import Runs

LONGEST_PAUSE = timedelta(minutes=5)
"""How long a read that has begun waits for its next call: the burst limits of platforms are not longer."""

_SECONDS = 5.0
_TRIES = 2 * LONGEST_PAUSE // timedelta(seconds=_SECONDS)


class Slots:
    """Takes the calls of one read.

    The first is refused when a limit has no room. Later ones wait, because the pages that were read so far would be lost.
    """

    def __init__(self, runs: Runs, ledger: Ledger, lease: Lease, heat: Heat, sleep: Callable[[float], None] = time.sleep) -> None:
        self._runs = runs
        self._ledger = ledger
        self._lease = lease
        self._heat = heat
        self._sleep = sleep
        self._has_begun = False

    def take(self) -> None:
        """Take the next call; this renews the lease.

        Raises:
            LeaseLost: the call must not be made, because another worker may have the connection.
            RateLimited: a limit has no room, and will not have it soon.
        """
        self._runs.calling(self._lease)
        for _ in range(_TRIES):
            try:
                self._take()
            except RateLimited as full:
                if not self._has_begun or full.retry_after is None or full.retry_after > LONGEST_PAUSE.total_seconds() + 1:
                    raise
                self._sleep(min(full.retry_after, _SECONDS))
                self._runs.lease(self._lease.run_id, self._lease.generation)
                continue
            self._has_begun = True
            return
        self._take()

    def _take(self) -> None:
        self._ledger.take(self._lease.connection.ledger_key, self._lease.connection.scope, self._heat)
