"""Asks the data alerts: a loop inside the warm worker, beside the sweep. After a workspace was published, and now and then anyway.

Every worker asks the alerts whose published copy is on its machine; which of several asks one is decided by the control plane.
"""

import logging
from threading import Event

from adpulse import bootstrap
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from storage.alerts import Alert

log = logging.getLogger(__name__)

_POLL_SECONDS = 5.0


class Watch:
    """Remembers which copy of each workspace it asked last."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._asked: dict[str, tuple[int, int]] = {}

    def once(self) -> None:
        """Ask every alert that is due."""
        for workspace_id in sorted(self._app.alerts.watched()):
            try:
                copy = self._app.published(workspace_id).stat()
            except FileNotFoundError:
                continue
            mark = copy.st_ino, copy.st_mtime_ns
            for alert in self._app.alerts.take(workspace_id, published=self._asked.get(workspace_id) != mark):
                self._asked[workspace_id] = mark
                self._ask(alert)

    def _ask(self, alert: Alert) -> None:
        try:
            answer = self._app.ask(alert)
        except AdpulseError as error:
            self._app.alerts.failed(alert, str(error))
            log.warning("alert %s of workspace %s could not be asked", alert.id, alert.workspace_id)
            return
        if self._app.alerts.answered(alert, answer):
            log.info("alert %s of workspace %s fires", alert.id, alert.workspace_id)


def watch_until(stop: Event) -> None:
    """Ask until told to stop."""
    watch = Watch(bootstrap.app())
    while not stop.wait(_POLL_SECONDS):
        try:
            watch.once()
        except Exception:  # whatever it is, the other alerts must be asked all the same
            log.exception("the alerts could not be asked; trying again")
