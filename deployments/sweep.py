"""The sweep: dispatches requests that did not reach Prefect, and cleans up. SQL only, unless something waits.

A loop inside the warm worker; ``adpulse sweep`` beside a stock pool. One of several sweeps leads: it requests runs of Prefect,
switches schedules and prunes. Files belong to their machine, so every sweep handles the files of its own.
"""

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event

from adpulse import bootstrap, orchestrator, prefect_schedules
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.frequency import SCHEDULED, Frequency
from adpulse.home import PUBLISHED
from adpulse.model import ON_DEMAND_LANES, Provider
from adpulse.platforms.registry import PLATFORMS
from adpulse.services import authorising, conversion_types, deleting, rechecking, syncing
from adpulse.workspace_description import WorkspaceDescription
from deployments.owner import leads, this_process
from storage.control.leader import SWEEP
from storage.warehouse import links

log = logging.getLogger(__name__)

_JOB = SWEEP
_PRUNE_SECONDS = 3600.0
_PACE_SECONDS = 60.0
_LOOK_SECONDS = 15.0
_SETTLE_SECONDS = 60.0
_MAX_NAMES = 10
_DESCRIBE_SECONDS = 2.0
"""For this long a pass stores changes of connections; what is left is stored by the next one, so that a first pass delays no request."""


def wanted_schedules(groups: dict[tuple[Provider, Frequency], int]) -> dict[tuple[Provider, Frequency], bool]:
    """Which groups' schedules should be active: those of groups with connections. Pure."""
    return {(provider, frequency): bool(groups.get((provider, frequency))) for provider in PLATFORMS for frequency in SCHEDULED}


class Sweep:
    """Remembers the schedules it switched, so that it calls Prefect only when a group becomes empty or gets connections.

    ``settles_seconds``: for this long after it began to lead it marks no connection stale. When a worker returns, every connection with
    a short interval is late by as long as the worker was away, and is about to be synced.
    """

    def __init__(self, app: App, settles_seconds: float = 0.0) -> None:
        self._app = app
        self._settles_seconds = settles_seconds
        self._led_since: float | None = None
        self._owner = this_process()
        self._switched: dict[str, bool] = {}
        self._prunes_at = self._paces_at = self._looks_at = time.monotonic()
        self._stored_descriptions: dict[str, WorkspaceDescription] = {}
        self._unpublished: dict[str, str] = {}

    def once(self) -> None:
        """One pass. Every part runs, also after another failed: a damaged file must not keep requests from Prefect."""
        self._try(self._lead, self._delete, self._publish, self._link, self._clear_staging, self._renew_credentials)

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
        """Give up the lead, so that another worker leads at once."""
        self._app.leadership.resign(_JOB, self._owner)

    def _lead(self) -> None:
        if not leads(self._app.leadership, _JOB, self._owner):
            self._switched.clear()  # another leader may switch them
            self._led_since = None
            if self._app.homes.elsewhere():
                self._try(self._dispatch_waiting)  # the leader may be of another home, which leaves the syncs of this one
            return
        if self._led_since is None:
            self._led_since = time.monotonic()
        prunes = (self._app.ledger.prune, self._app.grants.prune, self._app.authorizations.prune, self._prune_runs)
        self._try(self._heal_clock, self._store_paces, self._renew_staleness, *prunes, self._dispatch_waiting, self._switch_schedules)

    def _heal_clock(self) -> None:
        if healed := self._app.connections.heal_clock():
            log.warning("%s connections were due later than possible, probably because the clock was set back; they are due now", healed)

    def _store_paces(self) -> None:
        """Store the pace of every connection. Once a minute is enough, because limits and their shares change slowly."""
        if time.monotonic() < self._paces_at:
            return
        self._paces_at = time.monotonic() + _PACE_SECONDS
        cadences = self._app.cadences(view.connection for view in self._app.connections.all())
        self._app.staleness.pace({connection: cadence.longest for connection, cadence in cadences.items()})

    def _renew_staleness(self) -> None:
        """Mark stale connections. Webhooks are notified of each, Prefect's automations with one event for all."""
        if self._led_since is None or time.monotonic() - self._led_since < self._settles_seconds:
            return
        changed = self._app.staleness.renew()
        if changed.stale:
            names = [connection.name for connection in changed.stale]
            log.warning("%s connections became stale, among them %s", len(names), ", ".join(names[:_MAX_NAMES]))
            orchestrator.emit(orchestrator.STALE, {"connections": len(names), "among_them": names[:_MAX_NAMES]})
        if changed.fresh:
            log.info("%s connections are not stale any more", changed.fresh)

    def _renew_credentials(self) -> None:
        """Renew credentials that end soon, if this sweep leads. It is the last part, because a platform may answer slowly."""
        if self._app.leadership.leader(_JOB) == self._owner:
            authorising.renew(self._app)
            rechecking.recheck(self._app)
            conversion_types.renew(self._app)

    def _dispatch_waiting(self) -> None:
        for provider in PLATFORMS:
            for lane in ON_DEMAND_LANES:
                syncing.request_waiting(self._app, provider, lane)

    def _switch_schedules(self) -> None:
        groups = wanted_schedules(self._app.connections.groups())
        targets = {orchestrator.deployment_name(*group): active for group, active in groups.items()}
        targets[orchestrator.BACKUP] = self._app.settings.backup_folder is not None
        targets[orchestrator.EXPORT] = self._app.settings.export_to is not None
        changes = {name: active for name, active in targets.items() if self._switched.get(name) != active}
        if changes:
            switched = prefect_schedules.switch_schedules(changes)
            for name in switched.changed:
                log.info("schedule of %s switched", name)
            # What is deployed later is asked for until then.
            self._switched |= {name: active for name, active in changes.items() if name not in switched.missing}
        if time.monotonic() >= self._looks_at:
            self._looks_at = time.monotonic() + _LOOK_SECONDS
            self._app.schedule_changes.store(prefect_schedules.changes(targets))

    def _prune_runs(self) -> None:
        """Delete old runs, deliveries and unused credentials. Once an hour, because it reads every connection."""
        if time.monotonic() < self._prunes_at:
            return
        if dropped := self._app.runs.prune(timedelta(days=self._app.settings.keep_runs_days)):
            log.info("%s runs that ended long ago are dropped", dropped)
        if dropped := self._app.outbox.prune(timedelta(days=self._app.settings.keep_runs_days)):
            log.info("%s deliveries of webhooks that ended long ago are dropped", dropped)
        if notices := self._app.version_notices.publish(self._app.api_versions().values()):
            log.warning("%s workspaces were notified that an API version ends", notices)
        if erased := self._app.credentials.erase_unused(self._app.clock.now()):
            log.info("%s credentials that no connection uses are erased", erased)
        self._prunes_at = time.monotonic() + _PRUNE_SECONDS

    def _delete(self) -> None:
        """Finish confirmed deletions; a workspace whose file cannot be written delays no other."""
        blocked = set[str]()
        for connection in deleting.pending(self._app.connections):
            if connection.workspace_id in blocked:
                continue  # its file was just found locked or damaged
            try:
                deleting.finish(self._app, connection)
            except Exception as error:
                log.warning("connection %s (%s) is not deleted yet: %s", connection.name, connection.id, error, exc_info=True)
                blocked.add(connection.workspace_id)
            else:
                log.info("connection %s (%s) is deleted with its data", connection.name, connection.id)

    def _publish(self) -> None:
        """Renew every copy that is due; an error is logged once, not in every pass."""
        described = self._app.descriptions.all()
        describes_until = time.monotonic() + _DESCRIBE_SECONDS
        for workspace in self._app.workspaces.all():
            try:
                if time.monotonic() < describes_until:
                    self._describe(workspace.id, described.get(workspace.id, WorkspaceDescription()))
                self._app.warehouse(workspace.id).publish(min_interval_seconds=self._app.settings.publish_seconds)
            except Exception as error:  # noqa: BLE001 - it must not delay other workspaces
                if self._unpublished.get(workspace.id) != str(error):
                    log.error("workspace %s is not published: %s", workspace.name, error)  # noqa: TRY400 - the message is enough without a traceback
                self._unpublished[workspace.id] = str(error)
            else:
                self._unpublished.pop(workspace.id, None)

    def _describe(self, workspace_id: str, described: WorkspaceDescription) -> None:
        """Store a change that no sync stores: a connection that is paused or renamed may never write again, and a budget is of no sync."""
        stored = self._stored_descriptions.get(workspace_id, WorkspaceDescription())
        if stored != described and self._app.warehouse(workspace_id).describe():
            self._stored_descriptions[workspace_id] = described

    def _link(self) -> None:
        """Name the published copies by their workspaces."""
        links.renew(self._app.settings.home / PUBLISHED, {workspace.id: workspace.name for workspace in self._app.workspaces.all()})

    def _clear_staging(self) -> None:
        for run_id in self._app.staging.sweep(self._app.runs.open_runs):
            log.info("run %s is closed; its staged files are removed", run_id)


def sweep_until(stop: Event) -> None:
    """Sweep every few seconds, with jitter, until ``stop`` is set."""
    app = bootstrap.app()
    sweep = Sweep(app, _SETTLE_SECONDS)
    while not stop.is_set():
        sweep.once()
        stop.wait(app.settings.sweep_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    sweep.end()
