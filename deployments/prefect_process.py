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

_YOUNG_SECONDS = 1
_ROUNDS_TO_FULL = 60


def collect_in_a_thread() -> None:
    """Collect garbage in a daemon thread from now on, never in the thread that allocates."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    """The young every second; everything once a minute: a full collection of a grown server holds the interpreter for a while."""
    while True:
        for _ in range(_ROUNDS_TO_FULL):
            time.sleep(_YOUNG_SECONDS)
            gc.collect(1)
        gc.collect()


if __name__ == "__main__":
    collect_in_a_thread()
    sys.argv[1:] = ["server", "start"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
