"""What an answer need not wait for."""

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from adpulse.bootstrap import App
from adpulse.model import Provider
from adpulse.services import syncing

log = logging.getLogger(__name__)

Asked = TypeVar("Asked", bound=Hashable)


class Soon(Generic[Asked]):
    """Calls a function in a thread of its own, one call at a time; what is asked for again before its call began is called once.

    What is asked for when the process ends may be lost.
    """

    def __init__(self, call: Callable[[Asked], None]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._waiting: dict[Asked, None] = {}
        self._running = False

    def ask(self, what: Asked) -> None:
        """Returns at once."""
        with self._lock:
            self._waiting[what] = None
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="soon", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                what = next(iter(self._waiting))
                del self._waiting[what]
            try:
                self._call(what)
            except Exception:  # the next one must be called all the same
                log.exception("what was asked for could not be done")


_dispatch = Soon[tuple[App, Provider]](lambda asked: syncing.dispatch(*asked))


def ask_prefect(app: App, provider: Provider) -> None:
    """Let Prefect be asked for the run that serves what is queued for a platform; returns at once, also when Prefect is down."""
    _dispatch.ask((app, provider))
