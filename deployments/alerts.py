"""Runs the queries of data alerts: a loop inside the warm worker, beside the sweep. After each publication, and at intervals.

Every worker runs the alerts whose published copy is on its machine; the control plane decides which of several workers runs one.
Two queries run at once, at most one of a workspace. Workspaces take turns, alert by alert: one with twenty slow alerts delays
another's by one query at most.
"""

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition, Event
from types import TracebackType
from typing import Self

from adpulse import bootstrap
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from storage.control.alerts import Alert
from storage.warehouse.analytics import version_of

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Queries that run at the same time, each in a child process of 256 MB and one core at most."""

_POLL_SECONDS = 5.0


@dataclass(slots=True)
class _Asked:
    """The ids of the alerts that were asked of a copy: one that was asked just before it was published is asked of it later."""

    version: tuple[int, int]
    alerts: set[str] = field(default_factory=set)


class AlertLoop:
    """Runs due alerts. Remembers for each workspace which were asked of the present copy, and those that are queued."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._asked: dict[str, _Asked] = {}
        self._queued: dict[str, deque[Alert]] = {}
        self._changed = Condition()
        self._ending = False
        self._threads = ThreadPoolExecutor(AT_ONCE, "alerts")

    def __enter__(self) -> Self:
        """Start; the loop's threads end with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let running queries end, and start no more; alerts that were queued are due again in five minutes."""
        with self._changed:
            self._ending = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def once(self) -> None:
        """Queue the due alerts of each workspace that has none queued."""
        for workspace_id in sorted(self._app.alerts.watched()):
            with self._changed:
                busy = workspace_id in self._queued
            if not busy:
                self._queue_due(workspace_id)

    def finish(self) -> None:
        """Wait until every queued alert was run."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queued)

    def _queue_due(self, workspace_id: str) -> None:
        version = version_of(self._app.published(workspace_id))
        if version is None:
            return
        asked = self._asked.get(workspace_id)
        if asked is None or asked.version != version:
            asked = self._asked[workspace_id] = _Asked(version)
        if due := self._app.alerts.take(workspace_id, asked.alerts):
            asked.alerts.update(alert.id for alert in due)
            with self._changed:
                self._queued[workspace_id] = deque(due)
                self._threads.submit(self._run_next, workspace_id)

    def _run_next(self, workspace_id: str) -> None:
        """Run one alert of a workspace. Its next alert goes to the end of the threads' queue, behind the other workspaces."""
        alerts = self._queued[workspace_id]
        self._run(alerts.popleft())
        with self._changed:
            if not alerts:
                del self._queued[workspace_id]
                self._changed.notify_all()
            elif not self._ending:
                self._threads.submit(self._run_next, workspace_id)

    def _run(self, alert: Alert) -> None:
        try:
            self._run_and_record(alert)
        except Exception:  # any error: the other alerts must still run
            log.exception("alert %s of workspace %s: its result could not be stored", alert.id, alert.workspace_id)

    def _run_and_record(self, alert: Alert) -> None:
        try:
            answer = self._app.run_query(alert)
        except AdpulseError as error:
            self._app.alerts.failed(alert, str(error))
            log.warning("the query of alert %s of workspace %s could not be run", alert.id, alert.workspace_id)
            return
        if self._app.alerts.answered(alert, answer):
            log.info("alert %s of workspace %s fires", alert.id, alert.workspace_id)


def run_alerts_until(stop: Event) -> None:
    """Run due alerts until ``stop`` is set."""
    with AlertLoop(bootstrap.app()) as watch:
        while not stop.wait(_POLL_SECONDS):
            try:
                watch.once()
            except Exception:  # any error: the other alerts must still run
                log.exception("the alerts could not be run; trying again")
