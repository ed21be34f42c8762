"""Liveness of this process, and readiness of the installation."""

import os
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from anyio import move_on_after
from pydantic import BaseModel, Field

from adpulse import orchestrator
from adpulse.api import routing
from adpulse.api.access import Installation
from adpulse.api.pools import READING, STUCK_SECONDS, WAITING, WRITING, Pool
from adpulse.api.problems import answers
from adpulse.bootstrap import App
from adpulse.errors import ControlPlaneDamaged, Unavailable
from storage.control.database import INFRASTRUCTURE
from storage.control.leader import SWEEP, TERM

POOLS = (READING, WRITING, WAITING)
_PROBE_BYTES = 64 * 1024
_CHECKING = Pool("readiness", threads=1)
"""As the other pools may be stuck. Later checks wait for one that hangs, and give up as well."""

router = routing.router("health", waits=True)  # for Prefect


class Alive(BaseModel):
    """The process is alive, or the installation is ready."""

    status: Literal["ok"] = Field("ok", examples=["ok"])


@router.get("/healthz", summary="Whether the process answers")
async def check_alive() -> Alive:
    """Checks nothing else; for supervisors that restart hanging processes."""
    return Alive()


@router.get(
    "/readyz", summary="Whether database, disk, Prefect and a worker do their work", responses=answers(HTTPStatus.SERVICE_UNAVAILABLE)
)
async def check_ready(installation: Installation) -> Alive:
    """When ready, a requested sync starts at once. A 503 says in ``detail`` which part is not ready."""
    stuck = [pool.work for pool in POOLS if pool.is_stuck()]
    missing = [f"Requests for {work} get no thread: all are busy with one request each for {STUCK_SECONDS:g} s or more." for work in stuck]
    with move_on_after(STUCK_SECONDS) as late:
        missing += await _CHECKING.run(lambda: list(_missing(installation)), may_abandon=True)
    if late.cancelled_caught:
        missing.append(f"Database and Prefect did not answer within {STUCK_SECONDS:g} s.")
    if missing:
        raise Unavailable(f"Not ready. {' '.join(missing)}")
    return Alive()


def _missing(app: App) -> Iterator[str]:
    """A sentence for each part that is not ready."""
    if problem := _disk_problem(app.settings.home):
        yield f"Nothing can be written to {app.settings.home}: {problem}."
    try:
        last_seen = app.leadership.time_since_renewal(SWEEP)
    except ControlPlaneDamaged as error:
        yield str(error)
    except INFRASTRUCTURE as error:
        yield f"The control plane's database does not answer ({type(error).__name__})."
    else:
        if last_seen is None or last_seen > TERM:
            yield "No worker was seen recently: start one with adpulse up or adpulse worker."
    orchestrator.use_running_server(app.settings)
    if not orchestrator.answers():
        yield "Prefect does not answer: start it with adpulse up, or set PREFECT_API_URL."


def _disk_problem(home: Path) -> str | None:
    """Why a small file cannot be written there, such as a full disk; None if it can."""
    probe = home / f".ready.{os.getpid()}"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        return error.strerror
    finally:
        with suppress(OSError):
            probe.unlink()
    return None
