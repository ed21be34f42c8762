"""``prefect server start`` in this process, so that its SQLite database neither stops it nor refuses what it could do.

Two things about Prefect 3.8's server on SQLite, which runs on one event loop, its connections in threads:

- Python collects garbage in whatever thread allocates, so usually in the loop's; and freeing a forgotten SQLite statement waits for
  its connection, which may be waiting for the write lock of another transaction, whose next statement only the stopped loop could
  send. Nothing then moves until SQLite's ``busy_timeout`` ends: 60 seconds in Prefect, told as "database is locked" or as a server
  that does not answer (4 clients that set states are enough). In a thread of its own a collection that waits holds up nothing else.
- Most of its transactions read before they write. When another one commits in between, SQLite refuses the write at once, the
  answer is a 503, and Prefect's clients try again after two seconds and more: one press of Sync now in ten waited so long.
"""

import gc
import runpy
import sys
import threading
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from prefect.server.database.configurations import AioSqliteConfiguration

_EVERY_SECONDS = 1
_STARTED_SECONDS = 20


def collect_in_a_thread() -> None:
    """Collect garbage in a daemon thread from now on, never in the thread that allocates."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    """Everything, every second: what a request that was broken off forgot may hold the write lock until it is freed.

    What is there once the server has started stays for good, and is left out from then on: a round takes some 20 ms instead of 200.
    """
    frozen_at = time.monotonic() + _STARTED_SECONDS
    while True:
        time.sleep(_EVERY_SECONDS)
        gc.collect()
        if frozen_at and time.monotonic() > frozen_at:
            gc.freeze()
            frozen_at = 0.0


def wait_for_ones_turn() -> None:
    """Let every transaction on SQLite take the write lock when it begins, for which it waits, as Prefect does it for some itself."""
    deferred = AioSqliteConfiguration.begin_transaction

    def begin(
        self: AioSqliteConfiguration,
        session: Any,  # noqa: ANN401 - SQLAlchemy's, which is storage's alone here
        with_for_update: bool = False,  # noqa: ARG001, FBT001, FBT002 - as Prefect calls it; whoever says no waits, too
    ) -> AbstractAsyncContextManager[Any]:
        return deferred(self, session, with_for_update=True)

    setattr(AioSqliteConfiguration, "begin_transaction", begin)  # noqa: B010 - an assignment would have to have the decorator's type


if __name__ == "__main__":
    collect_in_a_thread()
    wait_for_ones_turn()
    sys.argv[1:] = ["server", "start"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
