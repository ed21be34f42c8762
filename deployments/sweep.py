"""The sweep: finds work that nobody asked Prefect for, and clears away what nobody needs. SQL only, unless something waits.

A loop inside the warm worker; ``adpulse sweep`` beside a stock pool. Of several, one leads: it asks Prefect for runs, switches
schedules and prunes. Files belong to their machine, so every sweep looks after its own.
"""

import logging
import random
import time
from datetime import timedelta
from threading import Event

from adpulse import bootstrap, orchestrator
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import ON_DEMAND_LANES, Provider
from deployments.owner import died, this_process
from storage.control import INFRASTRUCTURE
from storage.leader import SWEEP

log = logging.getLogger(__name__)

_JOB = SWEEP
_PRUNE_SECONDS = 3600.0


def wanted_schedules(groups: dict[tuple[Provider, Frequency], int]) -> dict[tuple[Provider, Frequency], bool]:
    """Which group's schedule should tick: those with connections. Pure."""
    return {(provider, frequency): bool(groups.get((provider, frequency))) for provider in Provider for frequency in SCHEDULED}


class Sweep:
    """Remembers what it switched last, so that Prefect is asked only when a group becomes empty or no longer is."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._owner = this_process()
        self._switched: dict[tuple[Provider, Frequency], bool] = {}
        self._prunes_at = time.monotonic()
        self._unpublished: dict[str, str] = {}

    def once(self) -> None:
        """One pass. Each part is tried, also after another failed: a damaged file must not keep requests from Prefect."""
        for part in (self._lead, self._publish, self._clear_staging):
            try:
                part()
            except AdpulseError as error:
                log.warning("a part of the sweep failed, the next one tries again: %s", error)
            except (OSError, *INFRASTRUCTURE):
                log.exception("a part of the sweep failed; the next one tries again")

    def end(self) -> None:
        """Let another worker lead at once."""
        self._app.leadership.give_up(_JOB, self._owner)

    def _lead(self) -> None:
        if not self._leads():
            self._switched.clear()  # whoever leads may switch them otherwise
            return
        if healed := self._app.connections.heal_clock():
            log.warning("%s connections were due later than they ever can be, as if the clock was set back; they are due now", healed)
        self._app.ledger.prune()
        self._prune_runs()
        self._ask()
        self._switch()

    def _leads(self) -> bool:
        leadership = self._app.leadership
        if leadership.take(_JOB, self._owner):
            return True
        leader = leadership.leader(_JOB)
        if leader is None or not died(leader):
            return False
        leadership.give_up(_JOB, leader)
        return leadership.take(_JOB, self._owner)

    def _ask(self) -> None:
        for provider in Provider:
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
        self._prunes_at = time.monotonic() + _PRUNE_SECONDS

    def _publish(self) -> None:
        """Renew every copy that is due; what keeps one from it is told once, not with every pass."""
        for workspace in self._app.workspaces.all():
            try:
                self._app.warehouse(workspace.id).publish(min_interval_seconds=self._app.settings.publish_seconds)
            except (AdpulseError, OSError) as error:
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
    sweep = Sweep(app)
    while not stop.is_set():
        sweep.once()
        stop.wait(app.settings.sweep_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    sweep.end()
