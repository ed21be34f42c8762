"""``prefect server start`` in this process, with a garbage collector that cannot stop the server.

Prefect's server runs on one event loop, its SQLite connections in threads. Python collects garbage in whatever thread allocates,
so usually in the loop's; and freeing a forgotten SQLite statement waits for its connection, which may be waiting for the write lock
of another transaction, whose next statement only the stopped loop could send. Nothing then moves until SQLite's ``busy_timeout``
ends: 60 seconds in Prefect, told as "database is locked" or as a server that does not answer (seen on Prefect 3.8.8: 4 clients that
set states are enough). In a thread of its own a collection that waits holds up nothing else.
"""

import gc
import runpy
import sys
import threading
import time

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


if __name__ == "__main__":
    collect_in_a_thread()
    sys.argv[1:] = ["server", "start"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
