"""Whether this process lives, and whether it can do its work."""

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field

from adpulse.api import routing
from adpulse.api.access import Installation
from adpulse.api.problems import answers

router = routing.router("health")


class Alive(BaseModel):
    """It lives, or it is ready."""

    status: Literal["ok"] = Field("ok", examples=["ok"])


@router.get("/healthz", summary="Whether the process answers")
def check_alive() -> Alive:
    """Asks nobody else; for whoever restarts processes that hang."""
    return Alive()


@router.get("/readyz", summary="Whether the control plane answers", responses=answers(HTTPStatus.SERVICE_UNAVAILABLE))
def check_ready(installation: Installation) -> Alive:
    """Reads one row of the control plane's database."""
    installation.workspaces.all()
    return Alive()
