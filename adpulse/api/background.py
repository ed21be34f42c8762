"""Calls that an HTTP answer does not wait for."""

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from adpulse.bootstrap import App
from adpulse.model import Provider
from adpulse.services import syncing

log = logging.getLogger(__name__)

Item = TypeVar("Item", bound=Hashable)


class BackgroundCalls(Generic[Item]):
    """Calls a function with submitted items in a thread of its own, one call at a time.

    An item that is submitted again before its call started is called once. Items that wait when the process ends may be lost.
    """

    def __init__(self, call: Callable[[Item], None]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._waiting: dict[Item, None] = {}
        self._running = False

    def submit(self, item: Item) -> None:
        """Queue a call with this item; returns at once."""
        with self._lock:
            self._waiting[item] = None
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="background-calls", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                item = next(iter(self._waiting))
                del self._waiting[item]
            try:
                self._call(item)
            except Exception:  # the other items must still be called
                log.exception("a background call failed")


_dispatch = BackgroundCalls[tuple[syncing.Dispatch, App, Provider]](lambda item: item[0](*item[1:]))


def dispatch_later(app: App, provider: Provider) -> None:
    """Dispatch a platform's queued requests to Prefect in the background; returns at once, also when Prefect is down."""
    _dispatch.submit((syncing.dispatch, app, provider))


def dispatch_background_later(app: App, provider: Provider) -> None:
    """The same of what waits in the background lane, such as a backfill."""
    _dispatch.submit((syncing.dispatch_background, app, provider))
