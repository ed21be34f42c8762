"""Asks the data alerts: a loop inside the warm worker, beside the sweep. After a workspace was published, and now and then anyway.

Every worker asks the alerts whose published copy is on its machine; which of several asks one is decided by the control plane.
Two queries run at once, and of them one of a workspace. Workspaces take turns, alert by alert: one with twenty slow alerts holds up
another's for one query at most.
"""

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Event
from types import TracebackType
from typing import Self

from adpulse import bootstrap
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from storage.control.alerts import Alert

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Queries that run at the same time, each in a child process of 256 MB and one core at most."""

_POLL_SECONDS = 5.0


class Watch:
    """Remembers which copy of each workspace it asked last, and which alerts are still to be asked."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._asked: dict[str, tuple[int, int]] = {}
        self._queued: dict[str, deque[Alert]] = {}
        self._changed = Condition()
        self._ending = False
        self._threads = ThreadPoolExecutor(AT_ONCE, "alerts")

    def __enter__(self) -> Self:
        """The watch, which ends with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let the queries that run end, and begin no more; alerts that were not asked are due again in five minutes."""
        with self._changed:
            self._ending = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def once(self) -> None:
        """Begin to ask the alerts that are due, of each workspace that has none queued."""
        for workspace_id in sorted(self._app.alerts.watched()):
            with self._changed:
                busy = workspace_id in self._queued
            if not busy:
                self._take(workspace_id)

    def finish(self) -> None:
        """Wait until everything that is queued was asked."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queued)

    def _take(self, workspace_id: str) -> None:
        try:
            copy = self._app.published(workspace_id).stat()
        except FileNotFoundError:
            return
        mark = copy.st_ino, copy.st_mtime_ns
        if due := self._app.alerts.take(workspace_id, published=self._asked.get(workspace_id) != mark):
            self._asked[workspace_id] = mark
            with self._changed:
                self._queued[workspace_id] = deque(due)
                self._threads.submit(self._turn, workspace_id)

    def _turn(self, workspace_id: str) -> None:
        """Ask one alert of a workspace; for its next one it goes to the end of the threads' queue, behind the other workspaces."""
        alerts = self._queued[workspace_id]
        self._ask(alerts.popleft())
        with self._changed:
            if not alerts:
                del self._queued[workspace_id]
                self._changed.notify_all()
            elif not self._ending:
                self._threads.submit(self._turn, workspace_id)

    def _ask(self, alert: Alert) -> None:
        try:
            self._note(alert)
        except Exception:  # whatever it is, the other alerts must be asked all the same
            log.exception("alert %s of workspace %s: what came of it could not be noted", alert.id, alert.workspace_id)

    def _note(self, alert: Alert) -> None:
        try:
            answer = self._app.run_query(alert)
        except AdpulseError as error:
            self._app.alerts.failed(alert, str(error))
            log.warning("alert %s of workspace %s could not be asked", alert.id, alert.workspace_id)
            return
        if self._app.alerts.answered(alert, answer):
            log.info("alert %s of workspace %s fires", alert.id, alert.workspace_id)


def watch_until(stop: Event) -> None:
    """Ask until told to stop."""
    with Watch(bootstrap.app()) as watch:
        while not stop.wait(_POLL_SECONDS):
            try:
                watch.once()
            except Exception:  # whatever it is, the other alerts must be asked all the same
                log.exception("the alerts could not be asked; trying again")
