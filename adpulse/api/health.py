"""Liveness of this process, and readiness of the installation."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field

from adpulse import orchestrator
from adpulse.api import routing
from adpulse.api.access import Installation
from adpulse.api.problems import answers
from adpulse.bootstrap import App
from adpulse.errors import Unavailable
from storage.control.database import INFRASTRUCTURE
from storage.control.leader import SWEEP, TERM

router = routing.router("health", waits=True)  # for Prefect


class Alive(BaseModel):
    """The process is alive, or the installation is ready."""

    status: Literal["ok"] = Field("ok", examples=["ok"])


@router.get("/healthz", summary="Whether the process answers")
async def check_alive() -> Alive:
    """Checks nothing else; for supervisors that restart hanging processes."""
    return Alive()


@router.get("/readyz", summary="Whether database, Prefect and a worker do their work", responses=answers(HTTPStatus.SERVICE_UNAVAILABLE))
def check_ready(installation: Installation) -> Alive:
    """When ready, a requested sync starts at once. A 503 says in ``detail`` which part is not ready."""
    if missing := list(_missing(installation)):
        raise Unavailable(f"Not ready. {' '.join(missing)}")
    return Alive()


def _missing(app: App) -> Iterator[str]:
    """A sentence for each part that is not ready."""
    try:
        last_seen = app.leadership.time_since_renewal(SWEEP)
    except INFRASTRUCTURE as error:
        yield f"The control plane's database does not answer ({type(error).__name__})."
    else:
        if last_seen is None or last_seen > TERM:
            yield "No worker was seen recently: start one with adpulse up or adpulse worker."
    orchestrator.use_running_server(app.settings)
    if not orchestrator.answers():
        yield "Prefect does not answer: start it with adpulse up, or set PREFECT_API_URL."
