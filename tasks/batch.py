"""What the four tasks of a sync work on: a batch of leased connections of one workspace, by id only."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace

from adpulse.bootstrap import App, app
from adpulse.errors import AdpulseError, LeaseLost, Unavailable
from adpulse.model import Fetch, Lease
from adpulse.redact import redact
from storage.control import INFRASTRUCTURE

log = logging.getLogger(__name__)

Step = Callable[[App, Lease], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Leases of one workspace as (run id, lease generation); ``label`` is what a person reads in the UI.

    ``patience`` is how many seconds a read may take before the batch goes on without that connection; None waits for all.
    """

    label: str
    workspace_id: str
    runs: tuple[tuple[str, int], ...]
    patience: float | None = None

    def without(self, run_ids: set[str]) -> "Batch":
        """The batch less these runs."""
        return replace(self, runs=tuple(run for run in self.runs if run[0] not in run_ids))

    def only(self, run_ids: set[str]) -> "Batch":
        """The batch with no other runs than these."""
        return replace(self, runs=tuple(run for run in self.runs if run[0] in run_ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one step did for one connection; ``error`` ends the connection's part, never the batch's.

    ``late``: the read goes on, the batch does not wait for it. ``changed``: there is something to write.
    """

    run_id: str
    error: AdpulseError | None = None
    late: bool = False
    changed: bool = False


_under_way: dict[tuple[str, int, Step], Future[Outcome]] = {}
_lock = threading.Lock()


async def read_each(batch: Batch, step: Step) -> list[Outcome]:
    """Read from the platform for every lease of the batch at once; a failed read becomes its outcome.

    A read that outlasts the batch's patience is told as late and goes on; asked for again, it is waited for, not repeated.

    Raises:
        one of INFRASTRUCTURE: the database or the warehouse is locked, so the whole task is worth a retry.
    """
    reads = {run: asyncio.wrap_future(_begin(run, step)) for run in batch.runs}
    try:
        done, _ = await asyncio.wait(reads.values(), timeout=batch.patience)
        return [read.result() if read in done else Outcome(run_id=run_id, late=True) for (run_id, _), read in reads.items()]
    finally:
        for read in reads.values():
            read.cancel()  # the waiting, not the reading: this event loop may be gone when the read ends


def held(batch: Batch) -> list[Lease]:
    """The batch's leases that are still ours; a lost one is left out, its successor has what was staged."""
    found = []
    for run_id, generation in batch.runs:
        try:
            found.append(app().runs.lease(run_id, generation))
        except LeaseLost as error:
            log.warning("run %s: %s", run_id, error)
    return found


def missing(app: App, lease: Lease, *, dates: bool) -> Iterator[Fetch]:
    """The planned reads of the leg, with or without dates, whose answer is not staged yet."""
    plan = app.staging.plan(lease.run_id)
    for fetch in plan.fetches if plan else ():
        if fetch.kind.has_dates is dates and not app.staging.has(lease.run_id, fetch):
            yield fetch


@contextmanager
def during(fetch: Fetch) -> Iterator[None]:
    """Note on an error what was being read."""
    try:
        yield
    except AdpulseError as error:
        error.during = fetch.label
        raise


def attempt(run_id: str, action: Callable[[], None]) -> Outcome:
    """One connection's part of a step; whatever goes wrong is this connection's alone.

    Raises:
        one of INFRASTRUCTURE: worth a retry of the task.
    """
    try:
        action()
    except INFRASTRUCTURE:
        raise
    except AdpulseError as error:
        log.warning("run %s: %s", run_id, error, exc_info=True)
        return Outcome(run_id=run_id, error=error)
    except Exception as error:
        log.exception("run %s failed unexpectedly", run_id)
        return Outcome(run_id=run_id, error=Unavailable(f"Unexpected {type(error).__name__}: {redact(str(error))}"))
    return Outcome(run_id=run_id)


def _begin(run: tuple[str, int], step: Step) -> Future[Outcome]:
    """Start a read in a thread of its own, or join the one that is under way.

    The thread is a daemon: a platform that does not answer must not keep the process from ending.
    """
    key = (*run, step)
    with _lock:
        if key in _under_way:
            return _under_way[key]
        future = _under_way[key] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=copy_context().run, args=(_read, key, future), name=f"read-{run[0]}", daemon=True).start()
    return future


def _read(key: tuple[str, int, Step], future: Future[Outcome]) -> None:
    run_id, generation, step = key
    try:
        context = app()
        outcome = attempt(run_id, lambda: step(context, context.runs.lease(run_id, generation)))
    except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
        with _lock:
            _under_way.pop(key, None)
        future.set_exception(error)
        return
    with _lock:
        _under_way.pop(key, None)
    future.set_result(outcome)
