"""Reads that the numbers do not need: their failure is a warning on the connection, and its sync goes on. Step: fetch."""

import logging
from collections.abc import Callable
from typing import TypeVar

from adpulse.errors import (
    AccountRefused,
    AdpulseError,
    AuthExpired,
    DiskFull,
    LeaseLost,
    RateLimited,
    Unavailable,
    VersionSunset,
    WarehouseDamaged,
    first_line,
)
from adpulse.model import Fetch, FetchKind, Lease
from storage.control.connection_warnings import ConnectionWarnings
from storage.control.database import INFRASTRUCTURE
from tasks.batch import during

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

_STOPS = (AuthExpired, AccountRefused, VersionSunset, LeaseLost, WarehouseDamaged, DiskFull, *INFRASTRUCTURE)
"""Errors that stop the connection whatever was being read: its metric reads would fail the same way."""


def optional(warnings: ConnectionWarnings, lease: Lease, fetch: Fetch, read: Callable[[], Answer]) -> Answer | None:
    """The read's answer, or None after its failure was noted as a warning.

    Unexpected exceptions are warnings as well: one entity in an unknown form must not stop the numbers.

    Raises:
        RateLimited: the numbers must wait too. Or one of _STOPS.
    """
    try:
        with during(fetch):
            return read()
    except RateLimited as error:
        if fetch.kind is FetchKind.ENTITIES_FULL and error.code is None:  # a walk that the hour has no room for must not take the next one
            warnings.record(lease, fetch.kind, error)
        if error.scope != "entities":
            raise
        log.warning("run %s goes on without %s: %s", lease.run_id, fetch.label, error)
        warnings.record(lease, fetch.kind, error, pause=error.retry_after or 0)
        return None
    except _STOPS:
        raise
    except AdpulseError as error:
        log.warning("run %s goes on without %s: %s", lease.run_id, fetch.label, error)
        failure = error
    except Exception as error:
        log.exception("run %s goes on without %s", lease.run_id, fetch.label)
        failure = Unavailable(f"Unexpected {type(error).__name__}: {first_line(error)}")
    warnings.record(lease, fetch.kind, failure)
    return None
