"""One thread for all work on DuckDB files.

DuckDB uses about 1 MB of the stack of each thread that calls it, and a thread keeps that until it ends: 40 threads that each wrote
once held 97 MB, one that wrote 40 times 56 (DuckDB 1.5).
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """Runs functions one after the other in a daemon thread. A function that hangs does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in the thread; returns its result or raises its error. The function must not call ``run`` itself."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
        answer: Future[T] = Future()
        self._work.put((answer, lambda: function(*args, **kwargs)))
        return answer.result()

    def _serve(self) -> None:
        while True:
            answer, work = self._work.get()
            try:
                answer.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                answer.set_exception(error)
            del answer, work  # frees their memory now, not when the next function arrives
