"""What the four tasks of a sync work on: a batch of leased connections of one workspace, by id only."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from adpulse.bootstrap import App, app
from adpulse.errors import AdpulseError, LeaseLost, Unavailable
from adpulse.model import Lease
from adpulse.redact import redact
from storage.control import INFRASTRUCTURE

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Leases of one workspace as (run id, lease generation); ``label`` is what a person reads in the UI."""

    label: str
    workspace_id: str
    runs: tuple[tuple[str, int], ...]

    def without(self, run_ids: set[str]) -> "Batch":
        """The batch less these runs."""
        return replace(self, runs=tuple(run for run in self.runs if run[0] not in run_ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one step did for one connection; ``error`` ends the connection's part, never the batch's."""

    run_id: str
    error: AdpulseError | None = None


def each(batch: Batch, step: Callable[[App, Lease], None]) -> list[Outcome]:
    """Run ``step`` for every lease of the batch; a failed one becomes its outcome.

    Raises:
        one of INFRASTRUCTURE: the database or the warehouse is locked, so the whole task is worth a retry.
    """
    return [_one(run_id, generation, step) for run_id, generation in batch.runs]


def held(batch: Batch) -> list[Lease]:
    """The batch's leases that are still ours; a lost one is left out, its successor has what was staged."""
    found = []
    for run_id, generation in batch.runs:
        try:
            found.append(app().runs.lease(run_id, generation))
        except LeaseLost as error:
            log.warning("run %s: %s", run_id, error)
    return found


def _one(run_id: str, generation: int, step: Callable[[App, Lease], None]) -> Outcome:
    context = app()
    try:
        step(context, context.runs.lease(run_id, generation))
    except INFRASTRUCTURE:
        raise
    except AdpulseError as error:
        log.warning("run %s: %s", run_id, error)
        return Outcome(run_id=run_id, error=error)
    except Exception as error:  # the edge of a task: whatever it is, it is this connection's alone
        log.exception("run %s failed unexpectedly", run_id)
        return Outcome(run_id=run_id, error=Unavailable(f"Unexpected {type(error).__name__}: {redact(str(error))}"))
    return Outcome(run_id=run_id)
