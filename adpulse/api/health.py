"""Whether this process lives, and whether the installation can do its work."""

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
    """It lives, or it is ready."""

    status: Literal["ok"] = Field("ok", examples=["ok"])


@router.get("/healthz", summary="Whether the process answers")
async def check_alive() -> Alive:
    """Asks nobody else; for whoever restarts processes that hang."""
    return Alive()


@router.get("/readyz", summary="Whether database, Prefect and a worker do their work", responses=answers(HTTPStatus.SERVICE_UNAVAILABLE))
def check_ready(installation: Installation) -> Alive:
    """What is asked for now starts now. A 503 says in ``detail`` which part is not ready."""
    if missing := list(_missing(installation)):
        raise Unavailable(f"Not ready. {' '.join(missing)}")
    return Alive()


def _missing(app: App) -> Iterator[str]:
    """A sentence for each part that is not ready."""
    try:
        seen = app.leadership.seen(SWEEP)
    except INFRASTRUCTURE as error:
        yield f"The control plane's database does not answer ({type(error).__name__})."
    else:
        if seen is None or seen > TERM:
            yield "No worker was seen lately: start one with adpulse up or adpulse worker."
    orchestrator.use_running_server(app.settings)
    if not orchestrator.answers():
        yield "Prefect does not answer: start it with adpulse up, or set PREFECT_API_URL."
