"""The batch that the four steps of a sync work on: leased connections of one workspace, by id only."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from adpulse.bootstrap import App, app
from adpulse.errors import AdpulseError, LeaseLost, Unavailable, first_line
from adpulse.model import Fetch, Lease
from storage.control.database import INFRASTRUCTURE
from storage.staging import Staging

log = logging.getLogger(__name__)

Step = Callable[[App, Lease], None]
T = TypeVar("T")


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
        """The batch without these runs."""
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


async def read_concurrently(batch: Batch, step: Step) -> list[Outcome]:
    """Read from the platform for every lease of the batch at once; a failed read becomes its outcome.

    A read that outlasts the batch's patience is reported as late and continues. A later call waits for it and does not repeat it.

    Raises:
        one of INFRASTRUCTURE: the database or the warehouse is locked, so the whole step is worth a retry.
    """
    reads = {run: asyncio.wrap_future(_begin(run, step)) for run in batch.runs}
    try:
        done, _ = await asyncio.wait(reads.values(), timeout=batch.patience)
        return [read.result() if read in done else Outcome(run_id=run_id, late=True) for (run_id, _), read in reads.items()]
    finally:
        for read in reads.values():
            read.cancel()  # the waiting, not the reading: this event loop may be gone when the read ends


def for_each_lease(batch: Batch, action: Callable[[Lease], None]) -> dict[str, Outcome]:
    """One connection's part of a step, for every lease of the batch that is still valid; returns the outcomes by run.

    A lost lease is left out: its successor has what was staged.

    Raises:
        one of INFRASTRUCTURE: worth a retry of the step.
    """

    def act(run_id: str, generation: int) -> None:
        action(app().runs.lease(run_id, generation))

    outcomes = [attempt(run_id, partial(act, run_id, generation)) for run_id, generation in batch.runs]
    return {outcome.run_id: outcome for outcome in outcomes if not isinstance(outcome.error, LeaseLost)}


def apply_together(items: Mapping[str, T], action: Callable[[list[T]], None]) -> dict[str, Outcome]:
    """Act on several connections in one go; if that fails, on each half of them, so that only the connection at fault fails.

    Args:
        items: what the action takes, by run.
        action: may be repeated for a connection whose part it did already.

    Raises:
        one of INFRASTRUCTURE: worth a retry of the step. Another AdpulseError: the warehouse's, which all of them share.
    """
    if len(items) <= 1:
        return {run_id: attempt(run_id, partial(action, [item])) for run_id, item in items.items()}
    try:
        action(list(items.values()))
    except (AdpulseError, *INFRASTRUCTURE):
        raise
    except Exception:
        log.warning("a step failed for %s connections at once; looking for the one at fault", len(items), exc_info=True)
        half = len(items) // 2
        first, rest = dict(islice(items.items(), half)), dict(islice(items.items(), half, None))
        return apply_together(first, action) | apply_together(rest, action)
    return {run_id: Outcome(run_id=run_id) for run_id in items}


def missing(staging: Staging, lease: Lease, *, dates: bool) -> Iterator[Fetch]:
    """The planned reads of the leg, with or without dates, whose answer is not staged yet."""
    plan = staging.plan(lease.run_id)
    for fetch in plan.fetches if plan else ():
        if fetch.kind.has_dates is dates and not staging.has(lease.run_id, fetch):
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
        one of INFRASTRUCTURE: worth a retry of the step.
    """
    try:
        action()
    except INFRASTRUCTURE:
        raise
    except Exception as error:  # noqa: BLE001 - it is this connection's failure, and logged as that
        return Outcome(run_id=run_id, error=failure(run_id, error))
    return Outcome(run_id=run_id)


def failure(run_id: str, error: Exception) -> AdpulseError:
    """The error as the connection shows it, and logged; one that nobody expected is a failure that may pass."""
    if isinstance(error, AdpulseError):
        log.warning("run %s: %s", run_id, error, exc_info=None if isinstance(error, LeaseLost) else error)
        return error
    log.error("run %s failed unexpectedly", run_id, exc_info=error)
    where = f"if it keeps failing, look for run {run_id} in the worker's log"
    return Unavailable(f"Unexpected {type(error).__name__}: {first_line(error)}. It is tried again; {where}.")


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
    except BaseException as error:  # noqa: BLE001 - those who wait for the future must get the error
        with _lock:
            _under_way.pop(key, None)
        future.set_exception(error)
        return
    with _lock:
        _under_way.pop(key, None)
    future.set_result(outcome)
