"""The sweep: finds work that nobody asked Prefect for, and clears away what nobody needs. SQL only, unless something waits.

A loop inside the warm worker; ``adpulse sweep`` beside a stock pool. Of several, one leads: it asks Prefect for runs, switches
schedules and prunes. Files belong to their machine, so every sweep looks after its own.
"""

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event

from adpulse import bootstrap, orchestrator
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import ON_DEMAND_LANES, Provider
from adpulse.platforms.registry import PLATFORMS
from adpulse.services import authorising, deleting, rechecking
from deployments.owner import leads, this_process
from storage.control.leader import SWEEP

log = logging.getLogger(__name__)

_JOB = SWEEP
_PRUNE_SECONDS = 3600.0
_PACE_SECONDS = 60.0
_SETTLES_SECONDS = 60.0
_NAMED = 10


def wanted_schedules(groups: dict[tuple[Provider, Frequency], int]) -> dict[tuple[Provider, Frequency], bool]:
    """Which group's schedule should tick: those with connections. Pure."""
    return {(provider, frequency): bool(groups.get((provider, frequency))) for provider in PLATFORMS for frequency in SCHEDULED}


class Sweep:
    """Remembers what it switched last, so that Prefect is asked only when a group becomes empty or no longer is.

    ``settles_seconds``: for so long after it began to lead it calls nobody stale. When a worker is back, every connection of a short
    interval is late by as long as it was away, and is about to be synced.
    """

    def __init__(self, app: App, settles_seconds: float = 0.0) -> None:
        self._app = app
        self._settles_seconds = settles_seconds
        self._led_since: float | None = None
        self._owner = this_process()
        self._switched: dict[tuple[Provider, Frequency], bool] = {}
        self._prunes_at = self._paces_at = time.monotonic()
        self._unpublished: dict[str, str] = {}

    def once(self) -> None:
        """One pass. Each part is tried, also after another failed: a damaged file must not keep requests from Prefect."""
        self._try(self._lead, self._delete, self._publish, self._clear_staging, self._renew)

    @staticmethod
    def _try(*parts: Callable[[], object]) -> None:
        for part in parts:
            try:
                part()
            except AdpulseError as error:
                log.warning("a part of the sweep failed, the next one tries again: %s", error)
            except Exception:
                log.exception("a part of the sweep failed; the next one tries again")

    def end(self) -> None:
        """Let another worker lead at once."""
        self._app.leadership.give_up(_JOB, self._owner)

    def _lead(self) -> None:
        if not leads(self._app.leadership, _JOB, self._owner):
            self._switched.clear()  # whoever leads may switch them otherwise
            self._led_since = None
            return
        if self._led_since is None:
            self._led_since = time.monotonic()
        prunes = (self._app.ledger.prune, self._app.grants.prune, self._app.authorizations.prune, self._prune_runs)
        self._try(self._heal_clock, self._pace, self._renew_staleness, *prunes, self._ask, self._switch)

    def _heal_clock(self) -> None:
        if healed := self._app.connections.heal_clock():
            log.warning("%s connections were due later than they ever can be, as if the clock was set back; they are due now", healed)

    def _pace(self) -> None:
        """Now and then, as it looks at every connection: limits, and whoever shares one, change slowly."""
        if time.monotonic() < self._paces_at:
            return
        self._paces_at = time.monotonic() + _PACE_SECONDS
        cadences = self._app.cadences(view.connection for view in self._app.connections.every())
        self._app.staleness.pace({each: cadence.interval if cadence.limited_by else None for each, cadence in cadences.items()})

    def _renew_staleness(self) -> None:
        """Who became stale is told to webhooks and, all together in one event, to Prefect's automations."""
        if self._led_since is None or time.monotonic() - self._led_since < self._settles_seconds:
            return
        changed = self._app.staleness.renew()
        if changed.stale:
            names = [each.name for each in changed.stale]
            log.warning("%s connections became stale, among them %s", len(names), ", ".join(names[:_NAMED]))
            orchestrator.emit(orchestrator.STALE, {"connections": len(names), "among_them": names[:_NAMED]})
        if changed.fresh:
            log.info("%s connections are not stale any more", changed.fresh)

    def _renew(self) -> None:
        """Last, as the platform may take its time; one leads here, too."""
        if self._app.leadership.leader(_JOB) == self._owner:
            authorising.renew(self._app)
            rechecking.recheck(self._app)

    def _ask(self) -> None:
        for provider in PLATFORMS:
            for lane in ON_DEMAND_LANES:
                if self._app.runs.waiting(provider, lane):
                    orchestrator.request_run(provider, lane, self._app.runs)

    def _switch(self) -> None:
        wanted = wanted_schedules(self._app.connections.groups())
        changes = {group: active for group, active in wanted.items() if self._switched.get(group) != active}
        if changes:
            for name in orchestrator.switch_schedules(changes):
                log.info("schedule of %s switched", name)
            self._switched |= changes

    def _prune_runs(self) -> None:
        """Now and then: it looks at every connection, and what it drops is days old."""
        if time.monotonic() < self._prunes_at:
            return
        if dropped := self._app.runs.prune(timedelta(days=self._app.settings.keep_runs_days)):
            log.info("%s runs that ended long ago are dropped", dropped)
        if dropped := self._app.outbox.prune(timedelta(days=self._app.settings.keep_runs_days)):
            log.info("%s deliveries of webhooks that ended long ago are dropped", dropped)
        if notices := self._app.version_notices.publish(self._app.api_versions()):
            log.warning("%s workspaces were notified that an API version ends", notices)
        if erased := self._app.credentials.erase_unused(self._app.clock.now()):
            log.info("%s credentials that no connection uses are erased", erased)
        self._prunes_at = time.monotonic() + _PRUNE_SECONDS

    def _delete(self) -> None:
        """Finish what was confirmed; a workspace whose file cannot be written holds up no other."""
        held_up = set[str]()
        for connection in deleting.pending(self._app):
            if connection.workspace_id in held_up:
                continue  # it would wait for the same file
            try:
                deleting.finish(self._app, connection)
            except Exception as error:
                log.warning("connection %s (%s) is not deleted yet: %s", connection.name, connection.id, error, exc_info=True)
                held_up.add(connection.workspace_id)
            else:
                log.info("connection %s (%s) is deleted with its data", connection.name, connection.id)

    def _publish(self) -> None:
        """Renew every copy that is due; what keeps one from it is told once, not with every pass."""
        for workspace in self._app.workspaces.all():
            try:
                self._app.warehouse(workspace.id).publish(min_interval_seconds=self._app.settings.publish_seconds)
            except Exception as error:  # noqa: BLE001 - it holds up no other workspace
                if self._unpublished.get(workspace.id) != str(error):
                    log.error("workspace %s is not published: %s", workspace.name, error)  # noqa: TRY400 - the sentence says it all
                self._unpublished[workspace.id] = str(error)
            else:
                self._unpublished.pop(workspace.id, None)

    def _clear_staging(self) -> None:
        for run_id in self._app.staging.sweep(self._app.runs.open_runs):
            log.info("run %s is closed; what it had staged is removed", run_id)


def sweep_until(stop: Event) -> None:
    """Sweep every few seconds, with jitter, until told to stop."""
    app = bootstrap.app()
    sweep = Sweep(app, _SETTLES_SECONDS)
    while not stop.is_set():
        sweep.once()
        stop.wait(app.settings.sweep_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    sweep.end()
