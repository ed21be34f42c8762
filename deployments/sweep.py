"""The sweep: a loop inside the worker that finds work nobody asked Prefect for. SQL only, unless something waits."""

import logging
import random
from threading import Event

from adpulse import bootstrap, orchestrator
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import Provider
from deployments.schedules import PROVIDERS
from storage.control import INFRASTRUCTURE

log = logging.getLogger(__name__)


def wanted_schedules(groups: dict[tuple[Provider, Frequency], int]) -> dict[tuple[Provider, Frequency], bool]:
    """Which group's schedule should tick: those with connections. Pure."""
    return {(provider, frequency): bool(groups.get((provider, frequency))) for provider in PROVIDERS for frequency in SCHEDULED}


class Sweep:
    """Remembers what it switched last, so that Prefect is asked only when a group becomes empty or no longer is."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._switched: dict[tuple[Provider, Frequency], bool] = {}

    def once(self) -> None:
        """One pass."""
        self._switch()
        for provider in PROVIDERS:
            if self._app.runs.waiting(provider):
                orchestrator.request_on_demand(provider, self._app.runs)
        self._app.ledger.prune()
        for workspace in self._app.workspaces.all():
            self._app.warehouse(workspace.id).publish(min_interval_seconds=self._app.settings.publish_seconds)

    def _switch(self) -> None:
        wanted = wanted_schedules(self._app.connections.groups())
        changes = {group: active for group, active in wanted.items() if self._switched.get(group) != active}
        if changes:
            for name in orchestrator.switch_schedules(changes):
                log.info("schedule of %s switched", name)
            self._switched |= changes


def sweep_until(stop: Event) -> None:
    """Sweep every few seconds, with jitter, until told to stop; a failed pass is logged and the next one tries again."""
    app = bootstrap.app()
    sweep = Sweep(app)
    while not stop.is_set():
        try:
            sweep.once()
        except (AdpulseError, *INFRASTRUCTURE):
            log.exception("a sweep failed; the next one tries again")
        stop.wait(app.settings.sweep_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
